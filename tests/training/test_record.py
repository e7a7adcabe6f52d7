"""metrics.csv and what loggers are told: each step once, whatever was cut, however late a device's figures come."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_fits import varied

from training import record
from training.record import COLUMNS, Record, Step, keep_rows, read_metrics, show
from training.stretches import Phase


def table(n):
    rows = [f"{step},{9 / step!r},0.1,1.5,{64 * step},100.0" for step in range(1, n + 1)]
    return "\n".join([",".join(COLUMNS), *rows]) + "\n"


@given(n=st.integers(0, 12), data=st.data())
def test_wherever_the_file_was_cut_the_rest_is_read_and_kept(n, data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "cut.csv"
    text = table(n)
    upto = data.draw(st.integers(0, len(text)))
    path.write_text(text[:upto])
    whole = max(0, text[:upto].count("\n") - 1)
    assert [row["step"] for row in read_metrics(path)] == list(range(1, whole + 1))
    last = data.draw(st.integers(0, 15))
    for _ in range(2):
        keep_rows(path, COLUMNS, last)
        assert path.read_text() == table(min(whole, last))


def test_a_file_that_is_not_there_is_made(tmp_path):
    assert read_metrics(tmp_path / "metrics.csv") == []
    keep_rows(tmp_path / "metrics.csv", COLUMNS, 5)
    assert (tmp_path / "metrics.csv").read_text() == table(0)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


class Device:
    """A card that is always a step behind: whoever asks for its newest step has to wait."""

    def __init__(self):
        self.sent, self.waited = 0, []

    def send(self, trainer, module):
        self.sent = step = trainer.global_step
        arrived = SimpleNamespace(synchronize=lambda: step == self.sent and self.waited.append(step))
        figures = torch.tensor([9 / step, 1.5, 64.0, 8 / step, 1 / step])
        names = ("loss", "grad_norm", "targets", "loss/tokens", "loss/next_sentence")
        return Step(step, 0.1, step / 10, names, figures, arrived)


class Shown:
    def __init__(self):
        self.told = []

    def log_metrics(self, told, step):
        self.told.append((step, told))


def run_through(config, monkeypatch, path, *, rank=0, first=0, **more):
    """A record of a run on such a device; what it told, and the device."""
    device, shown, pieces = Device(), Shown(), 2
    monkeypatch.setattr(record, "_sent", device.send)
    monkeypatch.setattr(record.time, "perf_counter", lambda: first / 10)
    trainer = SimpleNamespace(
        global_step=first,
        is_global_zero=rank == 0,
        accumulate_grad_batches=pieces,
        loggers=[shown] if rank == 0 else [],
    )
    made = Record(path, config, **more)
    made.on_train_epoch_start(trainer, None)
    for batch_idx in range(pieces * (config.steps - first)):
        trainer.global_step = first + (batch_idx + 1) // pieces
        made.on_train_batch_end(trainer, None, None, {}, batch_idx)
    made.on_train_end(trainer, None)
    return device, shown


def test_a_device_is_waited_for_only_before_a_checkpoint(config, monkeypatch, tmp_path):
    judged, progress = [], []
    config = varied(config, steps=7, checkpoint_every=3)
    device, shown = run_through(
        config, monkeypatch, tmp_path / "metrics.csv",
        judge=lambda *told: judged.append(told), on_progress=lambda *told: progress.append(told),
    )  # fmt: skip
    assert device.waited == [3, 6, 7]
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [row["step"] for row in rows] == [step for step, _ in shown.told] == list(range(1, 8))
    assert [step for step, *_ in judged] == [step for step, *_ in progress] == list(range(1, 8))
    assert judged[3] == (4, pytest.approx(9 / 4), 1.5)
    assert rows[3]["loss"] == pytest.approx(9 / 4)
    told = shown.told[3][1]
    assert told["loss/next_sentence"] == pytest.approx(1 / 4)
    assert told["loss/tokens"] == pytest.approx(2.0)
    assert told["tokens"] == 4 * 4 * 16


def test_other_ranks_judge_and_write_nothing(config, monkeypatch, tmp_path):
    judged = []
    config = varied(config, steps=4)
    run_through(config, monkeypatch, tmp_path / "metrics.csv", rank=1, judge=lambda *told: judged.append(told[0]))
    assert judged == [1, 2, 3, 4]
    assert not list(tmp_path.iterdir())


def test_speed_is_that_of_the_last_steps(config, monkeypatch, tmp_path):
    """A step takes a tenth of a second; the short rows of the first half have a quarter of the tokens."""
    config = varied(config, steps=200, curriculum=(Phase(context=4, share=0.5),), checkpoint_every=200)
    run_through(config, monkeypatch, tmp_path / "metrics.csv")
    speeds = [row["tokens_per_second"] for row in read_metrics(tmp_path / "metrics.csv")]
    assert speeds[0] == speeds[99] == 4 * 4 * 10
    assert speeds[199] == speeds[149] == 4 * 16 * 10
    assert 160 < speeds[120] < 640
    run_through(config, monkeypatch, tmp_path / "again.csv", first=150)
    assert [row["tokens_per_second"] for row in read_metrics(tmp_path / "again.csv")] == [640.0] * 50


def test_a_logger_on_a_full_disk_is_told_as_one():
    full = OSError(28, "No space left on device")

    class Board:
        def __init__(self, error):
            self.error = error

        def log_metrics(self, told, step):
            try:
                raise self.error
            except OSError as error:
                raise ValueError("you tried to log a value that is not supported") from error

    with pytest.raises(OSError, match="No space left"):
        show(SimpleNamespace(loggers=[Board(full)]), {"loss": 1.0}, 3)

    class Wrong:
        def log_metrics(self, told, step):
            raise ValueError("a value that is not supported")

    with pytest.raises(ValueError, match="not supported"):
        show(SimpleNamespace(loggers=[Wrong()]), {"loss": 1.0}, 3)
