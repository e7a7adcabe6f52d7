"""What every family's parity test asks of a transformers model with the same weights.

A `Case` is one of their models (small, random, eval mode, no dropout) with the same batch in our names and in theirs.
Positions with segment 0 are padding: nobody reads them, and the two sides may differ there.

Legend: B batch, T tokens, V vocabulary.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training import interop
from training.models import Model
from training.models import build as build_model
from training.objective import IGNORED
from training.spec import preset


def their_nats_per_token(outputs: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of their logits at our targets."""
    return F.cross_entropy(outputs.logits.flatten(0, 1), batch["targets"].flatten(), ignore_index=IGNORED)


@dataclass(frozen=True, kw_only=True)
class Case:
    theirs: nn.Module
    batch: Mapping[str, Tensor]  # in our names; with targets for `assert_learns_alike`
    inputs: Mapping[str, Tensor]  # in theirs
    logits: Callable[[Any], Tensor] = lambda outputs: outputs.logits
    loss: Callable[[Any, Mapping[str, Tensor]], Tensor] = their_nats_per_token

    def ours(self) -> Model:
        """Our model with their weights."""
        return interop.from_hf(their_config(self.theirs), self.theirs.state_dict())

    def their_logits_BTV(self, theirs: nn.Module | None = None) -> Tensor:
        return self.logits((theirs or self.theirs)(**self.inputs, **_no_cache(self.theirs)))

    def assert_close(self, ours_BTV: Tensor, theirs_BTV: Tensor, atol: float = 1e-4) -> None:
        """Equal wherever there is a token, and not because all is alike."""
        segments_BT = self.batch.get("segments")
        real_BT = torch.ones(ours_BTV.shape[:2], dtype=torch.bool) if segments_BT is None else segments_BT > 0
        assert theirs_BTV[real_BT].std(dim=0).mean() > 0.02
        torch.testing.assert_close(ours_BTV[real_BT], theirs_BTV[real_BT], rtol=1e-4, atol=atol)


def their_config(theirs: nn.Module) -> dict[str, Any]:
    """As save_pretrained writes it: with the name of the class."""
    return theirs.config.to_dict() | {"architectures": [type(theirs).__name__]}


@torch.no_grad()
def assert_same_logits(case: Case) -> None:
    case.assert_close(case.ours()(case.batch), case.their_logits_BTV())


def assert_round_trip(case: Case) -> None:
    """from_hf, to_hf: each tensor of theirs comes back bit for bit, tied ones once; and ours comes back as it was."""
    ours = case.ours()
    config, state = interop.to_hf(ours)
    theirs = case.theirs.state_dict()
    missing = theirs.keys() - state.keys()
    assert all(any(theirs[name].data_ptr() == theirs[kept].data_ptr() for kept in state) for name in missing)
    assert state.keys() <= theirs.keys()
    for name, tensor in state.items():
        assert torch.equal(tensor, theirs[name]), name
    again = interop.from_hf(config, state)
    assert again.spec == ours.spec
    for name, tensor in ours.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@torch.no_grad()
def assert_loads_there_and_here(case: Case, folder) -> None:
    """The exported folder opens in transformers without a word missing, and here, with the same logits."""
    ours = case.ours()
    interop.export(ours, folder)
    theirs, report = type(case.theirs).from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    ours_BTV = ours(case.batch)
    case.assert_close(ours_BTV, case.their_logits_BTV(theirs.eval()))
    assert torch.equal(interop.load(folder)(case.batch), ours_BTV)


def assert_learns_alike(case: Case, steps: int = 20, rtol: float = 1e-4) -> None:
    """The same losses for `steps` steps of AdamW, and it learns."""
    ours, theirs = case.ours().train(), case.theirs
    settings: dict[str, Any] = {"lr": 3e-3, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
    our_steps, their_steps = (torch.optim.AdamW(model.parameters(), **settings) for model in (ours, theirs))
    losses = []
    for _ in range(steps):
        our_loss = sum(term.nats / term.targets for term in ours.terms(case.batch).values())
        their_loss = case.loss(theirs(**case.inputs, **_no_cache(theirs)), case.batch)
        for loss, optimizer in ((our_loss, our_steps), (their_loss, their_steps)):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append((our_loss.item(), their_loss.item()))
    our_losses, their_losses = zip(*losses, strict=True)
    torch.testing.assert_close(torch.tensor(our_losses), torch.tensor(their_losses), rtol=rtol, atol=0)
    assert our_losses[-1] < our_losses[0]


def n_weights(model: nn.Module) -> int:
    """Trainable numbers, tied ones once."""
    return sum(weight.numel() for weight in model.parameters())


def assert_published_size(name: str, count: int, theirs: Callable[[], nn.Module] | None = None) -> None:
    """The preset has exactly `count` parameters: by formula, in our class, and in theirs."""
    spec = preset(name)
    with torch.device("meta"):
        assert spec.n_params() == n_weights(build_model(spec)) == count
        assert theirs is None or n_weights(theirs()) == count


def randomised(model: nn.Module, seed: int = 0, std: float = 0.2) -> nn.Module:
    """Every weight away from its start, gains and biases too, so that a fault in any part shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator) * (std if weight.dim() == 1 else std / 2))
    return model.eval()


def document_mask_B1TK(query_segments_BT: Tensor, key_segments_BK: Tensor, *, causal: bool) -> Tensor:
    """True where a query may look at a key of its document: the mask that transformers takes with four dimensions."""
    mask_BTK = query_segments_BT[:, :, None] == key_segments_BK[:, None, :]
    return (mask_BTK.tril() if causal else mask_BTK)[:, None]


def _no_cache(model: nn.Module) -> dict[str, bool]:
    """With a cache, packed position ids are not taken for documents."""
    return {"use_cache": False} if hasattr(model.config, "use_cache") else {}
