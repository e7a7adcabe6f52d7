"""Tasks that die, hang, are done twice, or want more memory than there is: the same bytes, or one line that says so."""

from pathlib import Path

import pytest
from on_spark import CORPORA, OnSpark, corpora, one_line, rule
from small_run import outside

pytestmark = pytest.mark.slow
SPECULATING = (
    "spark.speculation=true",
    "spark.speculation.interval=100ms",
    "spark.speculation.minTaskRuntime=500ms",
    "spark.speculation.multiplier=1.1",
    "spark.speculation.quantile=0.1",
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the rule of this module reads what to do."""
    return tmp_path_factory.mktemp("mishap") / "what"


@pytest.fixture(scope="module")
def expected(shared_spark: OnSpark, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of an undisturbed run on this machine, with the rule."""
    root = tmp_path_factory.mktemp("undisturbed")
    done = outside("run", shared_spark.recipe, "--root", root, "--only", CORPORA[-1].strip("/"), *rule(file))
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.parametrize(
    ("what", "settings"), [("die 1", ()), ("orphan 1", ()), ("sleep 1", SPECULATING)], ids=["worker", "daemon", "twice"]
)
def test_same_bytes(
    what: str, settings: tuple[str, ...], spark: OnSpark, file: Path, expected: Path, tmp_path: Path
) -> None:
    """The Python worker of a task is killed, or its pyspark.daemon; a task sleeps, and is done by another one."""
    met = begin(file, what)
    done = spark.run(tmp_path, *rule(file), settings=settings)
    assert done.returncode == 0, done.stderr
    assert met.exists()
    assert corpora(tmp_path) == corpora(expected)


def test_out_of_memory(spark: OnSpark, file: Path, expected: Path, tmp_path: Path) -> None:
    met = begin(file, "eat any")
    words = rule(file)
    done = spark.run(tmp_path, *words, settings=["spark.executor.pyspark.memory=6g"])
    assert done.returncode == 1, done.stderr
    assert "most likely for want of memory" in one_line(done)
    assert "MemoryError" in one_line(done)
    assert met.exists()
    file.unlink()
    done = spark.run(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert corpora(tmp_path) == corpora(expected)


def test_too_little_memory_for_a_guard(spark: OnSpark, tmp_path: Path) -> None:
    done = spark.run(tmp_path, settings=["spark.executor.pyspark.memory=1g"])
    assert done.returncode == 2, done.stderr
    assert "spark.executor.pyspark.memory" in one_line(done)


def begin(file: Path, what: str) -> Path:
    """Says what is to happen; the path that exists once it has."""
    met = Path(f"{file}.met")
    met.unlink(missing_ok=True)
    file.write_text(what)
    return met
