"""The loss of a step: nats over the targets of all ranks and pieces, not a mean of means."""

import pytest
import torch
from rank_processes import run_ranks
from safetensors.torch import load_file
from small_fits import bert_parts, varied
from torch.utils._python_dispatch import TorchDispatchMode

from training.data import RowData, target_counts
from training.fit import fit
from training.module import LanguageModule
from training.objective import IGNORED
from training.record import read_metrics
from training.watch import Watch


def first_step(parts, world):
    """By hand, for the first step: its loss, the norm of its gradient, and the mean of its pieces' own losses, which it
    must not be."""
    config, shards, fingerprint, vocab = parts
    data = RowData.over(config, shards, vocab, fingerprint)
    torch.manual_seed(config.seed)
    model = LanguageModule(config).model
    batch = data.batch(data.samples(0))
    terms = model.terms(batch)
    counts = target_counts([batch])
    loss = sum(term.nats / counts[f"n_{name}"] for name, term in terms.items())
    loss.backward()
    norm = torch.stack([weight.grad.norm() for weight in model.parameters() if weight.grad is not None]).norm()
    pieces = [data.batch(some) for rank in range(world) for some in data.pieces(0, rank, world)]
    own = [
        term.nats / term.targets for piece in pieces for name, term in model.terms(piece).items() if name == "tokens"
    ]
    counts = [int((piece["targets"] != IGNORED).sum()) for piece in pieces]
    assert len(set(counts)) > 1
    of_means = sum(own) / len(own) + (terms["next_sentence"].nats / 8 if "next_sentence" in terms else 0)
    return loss.item(), norm.item(), of_means.item()


@pytest.mark.parametrize("objective", ["roberta", "next_sentence"])
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_step_of_two_ranks_in_two_pieces_by_hand(strategy, objective, tmp_path):
    config, *rest = bert_parts(tmp_path, steps=1, objective=objective)
    config = varied(config, strategy=strategy, micro_rows=2)
    run_ranks(2, lambda: fit(config, *rest, tmp_path / "out"))
    (row,) = read_metrics(tmp_path / "out" / "metrics.csv")
    loss, norm, of_means = first_step((config, *rest), 2)
    assert row["loss"] == pytest.approx(loss, rel=1e-6)
    assert row["grad_norm"] == pytest.approx(norm, rel=1e-5)
    assert abs(of_means - loss) > 3e-5 * loss


@pytest.mark.parametrize("objective", ["roberta", "next_sentence"])
def test_pieces_make_the_step_of_one(objective, tmp_path):
    config, *rest = bert_parts(tmp_path, objective=objective)
    for pieces, micro_rows in ((1, None), (2, 4), (8, 1)):
        fit(varied(config, micro_rows=micro_rows), *rest, tmp_path / str(pieces))
    whole = read_metrics(tmp_path / "1" / "metrics.csv")
    assert len(whole) == 4
    for pieces in ("2", "8"):
        for row, other in zip(whole, read_metrics(tmp_path / pieces / "metrics.csv"), strict=True):
            assert other["loss"] == pytest.approx(row["loss"], rel=1e-5)
            assert other["grad_norm"] == pytest.approx(row["grad_norm"], rel=1e-4)
        ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("1", pieces))
        for name, weight in ours.items():
            torch.testing.assert_close(theirs[name], weight, rtol=1e-3, atol=1e-5, msg=name)


def test_gradients_are_clipped_once_over_all_weights(config, shards, vocab, tmp_path):
    """The norm that is told is that before; the weights move by the clipped ones."""
    norms, steps = [], []

    class Seen(LanguageModule):
        def on_before_optimizer_step(self, optimizer):
            super().on_before_optimizer_step(optimizer)
            grads = [weight.grad for weight in self.model.parameters() if weight.grad is not None]
            norms.append(torch.stack([grad.norm() for grad in grads]).norm().item())
            steps.append(self.figures.grad_norm.item())

    patch = pytest.MonkeyPatch()
    patch.setattr("training.fit.LanguageModule", Seen)
    try:
        fit(varied(config, clip_norm=0.25, steps=3), shards, "abc", vocab, tmp_path)
    finally:
        patch.undo()
    assert [row["grad_norm"] for row in read_metrics(tmp_path / "metrics.csv")] == steps
    assert all(norm > 0.25 for norm in steps)
    assert norms == pytest.approx([0.25] * 3, rel=1e-4)


aten = torch.ops.aten
ASKING = {aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default}


class Asked(TorchDispatchMode):
    """What asks a device for a number, and has to wait for all that it was given to do, by step."""

    def __init__(self):
        super().__init__()
        self.step, self.found = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        by_mask = func is aten.index.Tensor and any(i is not None and i.dtype == torch.bool for i in args[1])
        if func in ASKING or by_mask:
            self.found.append((self.step, str(func)))
        return func(*args, **(kwargs or {}))

    def told(self, step, *_):
        self.step = step


@pytest.mark.parametrize(
    ("world", "run"),
    [
        (1, {"optimizer": "muon"}),
        (1, {"optimizer": "adamw"}),
        (1, {"optimizer": "adafactor"}),
        (2, {"optimizer": "muon", "strategy": "fsdp"}),
        (2, {"optimizer": "adamw", "strategy": "ddp", "micro_rows": 2}),
    ],
)
def test_a_step_asks_its_device_for_no_number(world, run, tmp_path, monkeypatch):
    """A GPU would be waited for before it is given more to do: each step would take longer by the time of a launch."""
    monkeypatch.setattr(Watch, "on_train_start", lambda self, trainer, module: setattr(self, "_trainer", trainer))
    config, *rest = bert_parts(tmp_path, steps=4)

    def work():
        with Asked() as asked:
            fit(varied(config, workers=1, **run), *rest, tmp_path / "out", on_progress=asked.told)
        assert [found for found in asked.found if found[0] in (1, 2)] == []  # after 3 a checkpoint is written

    run_ranks(world, work)
