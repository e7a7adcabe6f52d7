"""A run's folder: what was asked for, which artifacts it has, and the pieces that work on it."""

import json
import os
import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import current_thread, main_thread
from typing import Protocol

from rich.console import Console

from corpus.canonical import canonical_json, fingerprint
from corpus.errors import ConfigError
from corpus.lease import Policy
from corpus.storage import Folder
from pipelines.artifact import Place, Step, changed_inputs, made_from
from pipelines.display import Display
from pipelines.engines.engine import Circumstances, Usage
from pipelines.runner import Runner
from pipelines.wording import listed, nearest

RUNS = Path("runs")
RECORD = "recipe.json"
SCRATCH = ".scratch"
ENGINES = {
    "local": "pipelines.engines.local",
    "spark": "pipelines.engines.spark.engine",
    "datatrove": "pipelines.engines.datatrove.engine",
}
"""The module of each, with `opened(Circumstances) -> context manager of an Engine`; imported when it is asked for."""


@dataclass(frozen=True)
class Run:
    """A run that was asked for earlier: its place, and the artifacts that its recipe asks for, inputs first."""

    name: str
    place: Place
    asked: tuple[str, ...]

    @property
    def made(self) -> tuple[str, ...]:
        """The artifacts that there are."""
        return tuple(name for name in self.asked if self.place.manifest(name) is not None)

    @property
    def current(self) -> tuple[str, ...]:
        """Those made from what lies beside them now: a run that was cut short, or `--only`, leaves older ones."""
        found: list[str] = []
        for name in self.made:
            manifest = self.place.need(name)
            if not changed_inputs(self.place, manifest) and {source for source, _ in made_from(manifest)} <= set(found):
                found.append(name)
        return tuple(found)

    def known(self, name: str) -> str:
        """The name; ConfigError when the run's recipe asks for no such artifact."""
        if name in self.asked:
            return name
        raise ConfigError(f"no artifact {name}{nearest(name, self.asked) or ';'} this run has {listed(self.asked)}")


class Identified(Protocol):
    """A recipe, as far as a run remembers it."""

    @property
    def name(self) -> str: ...
    def identity(self) -> object: ...


def remember(place: Place, recipe: Identified, steps: Sequence[Step]) -> None:
    """Notes in the run's folder what was asked for, so that `show`, `verify` and `report` need no recipe."""
    record = {
        "name": recipe.name,
        "version": place.version,
        "recipe": recipe.identity(),
        "artifacts": [step.name for step in steps],
    }
    place.root.write(RECORD, canonical_json(record))


def recall(root: str | None, version: str | None = None) -> Run:
    """The run in a folder, or the one in runs/ that was asked for last, in the version asked for last unless one is
    named; ConfigError when there is none."""
    folder = Folder(root) if root else _latest()
    if not folder.exists(RECORD):
        raise ConfigError(f"{folder.url} holds no run; make one with `millstream run RECIPE`, or name it with --root")
    record = json.loads(folder.read(RECORD))
    return Run(record["name"], Place(folder, version or record["version"]), tuple(record["artifacts"]))


def _latest() -> Folder:
    records = sorted(RUNS.glob(f"*/{RECORD}"), key=lambda path: path.stat().st_mtime)
    if not records:
        raise ConfigError("there is no run in runs/; make one with `millstream run RECIPE`, or name it with --root")
    return Folder(str(records[-1].parent))


def require_engine(name: str) -> None:
    """Raises ConfigError for an engine that there is not."""
    if name not in ENGINES:
        raise ConfigError(f"--engine {name}: engines here: {', '.join(ENGINES)}")


@contextmanager
def working(
    place: Place,
    engine: str,
    workers: int | None,
    settings: Sequence[str],
    console: Console,
    policy: Policy = Policy(),  # noqa: B008  immutable
) -> Iterator[Runner]:
    """A runner with its engine and display, for as long as the block lasts."""
    n_workers = workers or len(os.sched_getaffinity(0))
    scratch = (place.root.local or RUNS / fingerprint(place.root.url)[:16]) / SCRATCH
    module = import_module(ENGINES[engine])
    with (
        Display(console) as display,
        module.opened(Circumstances(n_workers, settings, scratch.absolute(), display.told)) as opened,
    ):
        yield Runner(
            place,
            opened,
            engine,
            n_workers,
            display.progress,
            lambda: own_usage() + opened.usage,
            display.told,
            policy,
        )


@contextmanager
def ending_in_order() -> Iterator[None]:
    """SIGTERM inside, by which schedulers end a run, as Ctrl-C: what is held is let go of."""
    if current_thread() is not main_thread():  # others get no signals
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def own_usage() -> Usage:
    """What this process has taken so far."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    return Usage(own.ru_utime + own.ru_stime, _own_peak())


def _own_peak() -> int:
    """The most memory that this process had, in bytes, by proc(5); getrusage begins with what its parent had in use."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
