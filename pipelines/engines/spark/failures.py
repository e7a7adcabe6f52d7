"""Errors on their way from an executor through Spark to the driver: as they were raised there, or in plain words.

Spark hands on the text of a failed task only. Ours are found in it; what Spark, Java and the system say is known by its
signs.
"""

import re

from corpus import errors
from corpus.errors import ConfigError, MillstreamError

MOST = 300
"""Characters of Spark's own words: they may hold a whole trace."""
_OURS = re.compile(r"\bcorpus\.errors\.(\w+): (.+?)(?: SQLSTATE: \w+)?$", re.MULTILINE)
_SIGNS: tuple[tuple[str, type[MillstreamError], str], ...] = (
    (
        r"No module named '(corpus|pipelines|tokenizer|pyarrow|numpy|numba|resiliparse|isal|safetensors|trafilatura)",
        ConfigError,
        "an executor's Python has no {0}: give the executors an environment with millstream in it (README, Spark)",
    ),
    (
        r"Cannot run program \"([^\"]+)\"",
        ConfigError,
        "an executor cannot run {0}: install it there, or say which Python to run (spark.pyspark.python)",
    ),
    (
        r"PYTHON_VERSION_MISMATCH",
        ConfigError,
        "the executors' Python is not the driver's: give them the same (README, Spark)",
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
        "(spark.executor.memoryOverhead, spark.executor.pyspark.memory where it is set), or cut smaller shards "
        "(corpus.split_bytes), then run again: finished shards are kept",
    ),
)


def understood(error: Exception) -> MillstreamError:
    """What to raise in the driver for an error that Spark raised."""
    if isinstance(error, MillstreamError):
        return error
    text = str(error)
    found = _OURS.search(text)
    ours: type[MillstreamError] | None = getattr(errors, found[1], None) if found else None
    if found and ours:
        return ours(found[2])
    for sign, kind, message in _SIGNS:
        if found := re.search(f"^.*(?:{sign}).*$", text, re.MULTILINE):
            return kind(f"Spark: {message.format(*found.groups())}. It said: {_last(found[0])}")
    return MillstreamError(f"Spark: {_last(_cause(text))}; nobody foresaw this, --debug shows where it came from")


def told(error: MillstreamError) -> str:
    """The error as a trace would end with it: what `understood` finds behind Spark's own raise_error."""
    return f"{type(error).__module__}.{type(error).__qualname__}: {error}"


def _last(line: str) -> str:
    """What a line says behind Spark's "Job aborted due to stage failure: ... most recent failure: "."""
    return line.rpartition("failure: ")[2].strip(": ")[:MOST]


def _cause(text: str) -> str:
    """The end of the task's own trace where there is one, or the line that names the failed task, or the first line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    ends = [line for line in lines if re.match(r"(?!org\.|java\.|py4j\.|: )[\w.]+: ", line)]
    lost = [line for line in lines if "Lost task" in line]
    return [*ends, *lost, *lines, "failed, and said nothing"][0]
