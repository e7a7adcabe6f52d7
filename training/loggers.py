"""Where a run's figures are shown: TensorBoard, Weights & Biases, MLflow. metrics.csv is written whatever is chosen.

    tensorboard   out/logs
    wandb         out/wandb, and its server where WANDB_MODE says so or somebody is logged in; nobody is asked anything
    mlflow        out/mlflow.db, or what MLFLOW_TRACKING_URI says; the steps are sent by a thread of its own

A run that is started again goes on under the same number, which is its fingerprint's. TensorBoard shows the steps that
are done again once; the others keep both, which are the same figures.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning_utilities.core.imports import RequirementCache

from corpus.errors import ConfigError
from training.config import TrainingConfig

PROJECT = "millstream"
TAG = "millstream_run"

NEEDED = {
    "tensorboard": "tensorboard>=2.18",
    "wandb": "wandb>=0.30",  # older ones cannot be kept from asking for a key
    "mlflow": "mlflow>=2.8",  # older ones cannot send beside the training
}


class Run(NamedTuple):
    """What is shown: the run's folder, its number, what it was asked for, and the steps that are behind it."""

    out: Path
    number: str
    asked: Mapping[str, Any]
    done: int


def check(names: Sequence[str]) -> None:
    """ConfigError for a logger that is unknown or not installed."""
    for name in names:
        if name not in NEEDED:
            raise ConfigError(f'there is no logger "{name}"; known: {", ".join(NEEDED)}')
        if not RequirementCache(NEEDED[name]):
            raise ConfigError(
                f'the logger "{name}" needs {NEEDED[name]}, which is not installed; install it with '
                f"pip install '{NEEDED[name]}', or leave it out of training.run.loggers"
            )


@contextmanager
def opened(
    names: Sequence[str], out: Path, config: TrainingConfig, fingerprint: str, done: int
) -> Iterator[list[Logger]]:
    """The loggers by these names, closed at the end; for the first rank, the others need none. `done` steps are not
    done again."""
    check(names)
    asked = config.identity()
    said = json.dumps([asked, fingerprint], sort_keys=True).encode()
    run = Run(out, hashlib.sha256(said).hexdigest()[:16], asked, done)
    with ExitStack() as until_the_end:
        yield [until_the_end.enter_context(contextmanager(OPENED[name])(run)) for name in names]


def flush(loggers: Sequence[Logger]) -> None:
    """What they still hold is written: it would be lost in a kill, and steps before a checkpoint are not done again."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.flush()
        elif isinstance(logger, MLFlowLogger):
            import mlflow

            mlflow.flush_async_logging()


def _tensorboard(run: Run) -> Iterator[Logger]:
    yield TensorBoardLogger(run.out, name="logs", version="", purge_step=run.done + 1)


def _wandb(run: Run) -> Iterator[Logger]:
    import wandb

    mode = os.environ.get("WANDB_MODE") or ("online" if wandb.login(prompt=False, verify=False) else "offline")
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    logger = WandbLogger(name=run.number, id=run.number, project=project, save_dir=run.out, mode=mode)
    logger.log_hyperparams(dict(run.asked))
    try:
        yield logger
    except BaseException:
        logger.experiment.finish(exit_code=1)
        raise
    logger.experiment.finish()


def _mlflow(run: Run) -> Iterator[Logger]:
    from mlflow import MlflowClient

    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{run.out.resolve()}/mlflow.db"  # it refuses plain files
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
    client = MlflowClient(uri)
    known = client.get_experiment_by_name(name)
    runs = client.search_runs([known.experiment_id], f"tags.{TAG} = '{run.number}'", max_results=1) if known else []
    logger = MLFlowLogger(
        experiment_name=name, run_name=run.number, run_id=runs[0].info.run_id if runs else None, tracking_uri=uri,
        tags={TAG: run.number}, synchronous=False,
    )  # fmt: skip
    logger.log_hyperparams(dict(run.asked))
    try:
        yield logger
    except BaseException:
        logger.finalize("failed")
        raise
    finally:
        flush([logger])


OPENED: Mapping[str, Callable[[Run], Iterator[Logger]]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
