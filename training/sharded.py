"""Weights of which each rank holds some rows, and whole ones, seen alike.

FSDP2 cuts rows as torch.chunk does (DTensors, Shard(0)); under HSDP several groups of ranks hold a copy each.
"""

from collections.abc import Iterable, Iterator

import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Shard

IN_CACHE, ON_GPU = 2**20, 2**24  # numbers: Adafactor of GPT-2 takes a CPU three times as long with the latter


def local(tensor: Tensor) -> Tensor:
    """What this rank holds, in the same memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def holders(tensor: Tensor) -> dist.ProcessGroup | None:
    """The ranks that hold it between them; None where each has it whole."""
    if not isinstance(tensor, DTensor) or Shard(0) not in tensor.placements:
        return None
    return tensor.device_mesh.get_group(tensor.placements.index(Shard(0)))


def portions(n: int, n_ranks: int) -> list[int]:
    """How many of n each rank has: 7 over 3 ranks -> [3, 3, 1]."""
    most = -(-n // n_ranks)
    return [min(most, max(0, n - rank * most)) for rank in range(n_ranks)]


def summed(part: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """The sum over the ranks, in the same memory."""
    if group is not None:
        dist.all_reduce(part, group=group)
    return part


def alike(weights: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """The weights in lists of equal shape and equal holders, to be worked on together: of so many numbers on a rank as
    stay in a CPU's cache, or fill a GPU, or of one weight."""
    lists: dict[tuple[object, ...], list[Tensor]] = {}
    for weight in weights:
        lists.setdefault((weight.shape, holders(weight)), []).append(weight)
    for (_, ranks), same in lists.items():
        most = IN_CACHE if same[0].device.type == "cpu" else ON_GPU
        n = max(1, most * (ranks.size() if isinstance(ranks, dist.ProcessGroup) else 1) // same[0].numel())
        yield from (same[at : at + n] for at in range(0, len(same), n))
