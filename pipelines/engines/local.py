"""The reference engine: one machine, a pool of processes."""

from collections.abc import Iterator
from contextlib import contextmanager

from corpus.errors import ConfigError
from pipelines.engines.engine import Circumstances
from pipelines.engines.phased import PhasedEngine
from pipelines.engines.pool import Pool


@contextmanager
def opened(here: Circumstances) -> Iterator[PhasedEngine]:
    """The engine with its processes, for as long as the block lasts."""
    if here.settings:
        raise ConfigError(f"--engine-set {here.settings[0]}: the local engine has no settings, only --workers")
    with Pool(here.workers) as pool:
        yield PhasedEngine(pool, here.scratch)
