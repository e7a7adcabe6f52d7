"""Errors on their way from an executor through Spark to the driver: as they were raised there, or in plain words.

Spark hands on the text of a failed task only. Ours are found in it; what Spark, Java and the system say is known by its
signs.
"""

import re

from corpus import errors
from corpus.errors import ConfigError, MillstreamError

_OURS = re.compile(r"\bcorpus\.errors\.(\w+): (.+?)(?: SQLSTATE: \w+)?$", re.MULTILINE)
_SIGNS: tuple[tuple[str, type[MillstreamError], str], ...] = (
    (
        r"No module named '(corpus|pipelines|tokenizer|pyarrow|numpy|numba|resiliparse|isal|fasttext)",
        ConfigError,
        "an executor's Python has no {0}: give the executors an environment with millstream in it (README, Spark)",
    ),
    (
        r"No space left on device",
        MillstreamError,
        "a worker's disk is full; make room in its spark.local.dir or name another, then run again: finished shards "
        "are kept",
    ),
    (
        r"MemoryError|OutOfMemoryError|Python worker exited unexpectedly|ExecutorLostFailure|exit code 137",
        MillstreamError,
        "a task died each time it was tried, most likely for want of memory; give executors more "
        "(spark.executor.memoryOverhead), or cut smaller shards (corpus.split_bytes), then run again: finished shards "
        "are kept",
    ),
)


def understood(error: Exception) -> Exception:
    """What to raise in the driver for an error that Spark raised."""
    text = str(error)
    found = _OURS.search(text)
    ours: type[MillstreamError] | None = getattr(errors, found[1], None) if found else None
    if found and ours:
        return ours(found[2])
    for sign, kind, message in _SIGNS:
        if found := re.search(sign, text):
            return kind(f"Spark: {message.format(*found.groups())}. It said: {_last_cause(text)}")
    return error


def told(error: MillstreamError) -> str:
    """The error as a trace would end with it: what `understood` finds behind Spark's own raise_error."""
    return f"{type(error).__module__}.{type(error).__qualname__}: {error}"


def _last_cause(text: str) -> str:
    """The line that names the failed task and why, without the trace."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if "Error" in line or "Exception" in line or "Lost task" in line]
    return (causes or lines or ["nothing"])[0][:300]
