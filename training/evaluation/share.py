"""A measurement that ranks share: each does every so many-th batch, and all have the sums.

Ranks that hold a part of the weights each must go through as many batches: one that has run out does the last again,
and counts it not.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Share:
    """The part of rank `rank` of `world`; sums are made on `device`."""

    rank: int = 0
    world: int = 1
    device: str = "cpu"

    def of(self, n_batches: int) -> Iterator[tuple[int, bool]]:
        """The number of a batch, and whether it counts."""
        for start in range(0, n_batches, self.world):
            number = start + self.rank
            yield min(number, n_batches - 1), number < n_batches

    def total(self, parts_N: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The sum over ranks."""
        if self.world == 1:
            return parts_N
        total_N = torch.from_numpy(parts_N).to(self.device)
        dist.all_reduce(total_N)
        summed: npt.NDArray[np.float64] = total_N.cpu().numpy()
        return summed


ALONE = Share()
