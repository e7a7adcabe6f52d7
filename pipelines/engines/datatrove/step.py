"""The one step of our pipelines on datatrove: rank r runs task r of a phase."""

import os
import traceback
from pathlib import Path

from datatrove.data import DocumentsPipeline
from datatrove.pipeline.base import PipelineStep

from corpus.errors import ConfigError, MillstreamError
from corpus.guard import die_with
from pipelines.engines.datatrove.phase import Done, Phase
from pipelines.engines.engine import cost_since, cpu_seconds
from pipelines.engines.versions import agree


class RunTasks(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Tells datatrove's statistics how many documents went through a rank's task. It holds nothing but the phase's
    folder, because datatrove sends a pipeline to its workers once for every rank."""

    type = "MILLSTREAM"
    name = "run tasks"

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data: DocumentsPipeline = None, rank: int = 0, world_size: int = 1) -> None:
        """Runs the task; nothing comes in, nothing goes on."""
        self.stat_update("documents", value=run_task(Phase(Path(self.folder)), rank))


def run_task(phase: Phase, rank: int) -> int:
    """Runs a rank's task and leaves its record: the documents that went through it."""
    n_documents = 0

    def report(n: int) -> None:
        nonlocal n_documents
        n_documents += n

    die_with(os.getppid())  # a rank outlives its Ray actor otherwise, and keeps Ray from seeing that it died
    with phase.at_work(rank):
        before, name = cpu_seconds(), f"rank {rank}"
        try:
            order, host = phase.order(), os.uname().nodename
            agree(order.environment, host)
            _enter(order.working_folder, host)
            task = phase.task(rank)
            name = task.name
            task.run(report)
        except MillstreamError as error:
            phase.fail(rank, error)
            raise
        except Exception:
            phase.fail(rank, MillstreamError(f"{name}: unforeseen\n{traceback.format_exc()}"))
            raise
        phase.finish(rank, Done(n_documents, cost_since(before)))
    return n_documents


def _enter(folder: str, host: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise ConfigError(
            f"{host} cannot enter {folder}, where the run was started ({error.strerror}); start it in a folder that "
            f"all nodes see"
        ) from error
