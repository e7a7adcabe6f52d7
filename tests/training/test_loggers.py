"""A run's figures in TensorBoard, Weights & Biases and MLflow, each started twice; those not installed are skipped."""

import json
import time
from dataclasses import replace

import lightning
import pytest
import torch
from lightning_utilities.core.imports import RequirementCache
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from waiting import soon

from corpus.errors import ConfigError
from training import loggers
from training.quiet import quiet


def needs(name):
    return pytest.mark.skipif(not RequirementCache(loggers.NEEDED[name]), reason=f"{name} is not installed")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Neither tells its makers of itself."""
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


class Line(lightning.LightningModule):
    """Learns nothing and says its steps from `done` + 1 on."""

    def __init__(self, done):
        super().__init__()
        self.weight, self.done = torch.nn.Parameter(torch.ones(())), done

    def training_step(self, batch, batch_idx):
        return self.weight * batch.mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def on_train_batch_end(self, *_):
        step = self.done + self.global_step
        for logger in self.trainer.loggers:
            logger.log_metrics({"loss": 1 / step}, step=step)
        if step % 2 == 0:
            loggers.flush(self.trainer.loggers)


def run(name, out, config, done, steps):
    with quiet(), loggers.opened([name], out, config, "abc", done) as made:
        trainer = lightning.Trainer(
            accelerator="cpu", max_steps=steps - done, max_epochs=-1, logger=made, default_root_dir=out,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
        )  # fmt: skip
        trainer.fit(Line(done), torch.utils.data.DataLoader(torch.ones(64), batch_size=1))


def test_tensorboard_shows_each_step_once(config, tmp_path):
    run("tensorboard", tmp_path, config, 0, 5)
    time.sleep(1.1)  # the names of its files tell seconds apart, no less
    run("tensorboard", tmp_path, config, 4, 8)
    events = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 9))


@needs("wandb")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wandb_goes_on_under_the_same_number(config, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    run("wandb", tmp_path, config, 0, 5)
    first = written(tmp_path)
    time.sleep(1.1)  # the names of its folders tell seconds apart, no less
    run("wandb", tmp_path, config, 4, 8)
    both = written(tmp_path)
    assert len(first) == 1
    assert len(both) == 2
    assert len({path.stem for path in both}) == 1  # run-<number>
    assert all(both[path].startswith(content) for path, content in first.items())


def written(out):
    """What wandb has written of each start, once its own process has."""
    paths = sorted((out / "wandb").glob("offline-run-*/*.wandb"))
    soon(lambda: all(b"loss" in path.read_bytes() for path in paths), "the figures in wandb's files")
    return {path: path.read_bytes() for path in paths}


@needs("wandb")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_without_a_key_wandb_asks_nobody_and_stays_here(config, tmp_path, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    run("wandb", tmp_path, config, 0, 2)
    assert list((tmp_path / "wandb").glob("offline-run-*"))


@needs("mlflow")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_mlflow_goes_on_under_the_same_number(config, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run("mlflow", tmp_path, config, 0, 5)
    run("mlflow", tmp_path, config, 4, 8)
    with pytest.raises(ZeroDivisionError), loggers.opened(["mlflow"], tmp_path, config, "another", 0):
        _ = 1 / 0
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("millstream")
    failed, whole = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"])
    assert [metric.step for metric in client.get_metric_history(whole.info.run_id, "loss")] == [
        1,
        2,
        3,
        4,
        5,
        5,
        6,
        7,
        8,
    ]
    assert (failed.info.status, whole.info.status) == ("FAILED", "FINISHED")
    assert whole.data.params["model/width"] == str(config.model.width)


def test_a_number_is_that_of_what_is_learnt(config, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setitem(loggers.OPENED, "tensorboard", lambda asked: seen.append(asked) or iter([asked]))
    for one, fingerprint in ((config, "a"), (config, "a"), (replace(config, seed=9), "a"), (config, "b")):
        with loggers.opened(["tensorboard"], tmp_path, one, fingerprint, 0):
            pass
    numbers = [asked.number for asked in seen]
    assert numbers[0] == numbers[1]
    assert len(set(numbers)) == 3
    assert json.loads(json.dumps(seen[0].asked)) == json.loads(json.dumps(config.identity()))


def test_what_is_not_there_is_said_before_any_work(config, tmp_path, monkeypatch):
    monkeypatch.setitem(loggers.NEEDED, "wandb", "no-such-wandb>=0.30")
    with (
        pytest.raises(ConfigError, match=r'"wandb" needs no-such-wandb>=0\.30.*pip install \'no-such-wandb>=0\.30\''),
        loggers.opened(["tensorboard", "wandb"], tmp_path, config, "abc", 0),
    ):
        pass
    with pytest.raises(ConfigError, match=r'no logger "weights"; known: tensorboard, wandb, mlflow'):
        loggers.check(["weights"])
    assert not list(tmp_path.iterdir())
