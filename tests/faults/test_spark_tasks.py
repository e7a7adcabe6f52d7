"""Tasks that die, hang, are done twice, or want more memory than there is: the same bytes, or one line that says so."""

from collections.abc import Iterator
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


@pytest.mark.parametrize("what", ["kill-once 1", "kill-daemon-once 1"])
def test_a_killed_python(what: str, spark: OnSpark, file: Path, expected: Path, tmp_path: Path) -> None:
    """A task's Python worker, or the daemon that forks those."""
    met = begin(file, what)
    done = spark.run(tmp_path, *rule(file))
    assert done.returncode == 0, done.stderr
    assert met.exists()
    assert corpora(tmp_path) == corpora(expected)


def test_a_task_that_is_done_twice(spark: OnSpark, file: Path, expected: Path, tmp_path: Path) -> None:
    if len(spark.hosts) < 2:
        pytest.skip("Spark begins a task a second time on another host only, and all workers have one address")
    begin(file, "sleep 1")
    done = spark.run(tmp_path, *rule(file), settings=SPECULATING)
    assert done.returncode == 0, done.stderr
    assert corpora(tmp_path) == corpora(expected)


def test_killed_each_time_then_not(spark: OnSpark, file: Path, expected: Path, tmp_path: Path) -> None:
    begin(file, "kill any")
    done = spark.run(tmp_path, *rule(file))
    assert done.returncode == 1, done.stderr
    assert "a task died each time it was tried, most likely for want of memory" in one_line(done)
    assert not (tmp_path / "corpus/pages/dev/manifest.json").exists()
    file.unlink()
    done = spark.run(tmp_path, *rule(file))
    assert done.returncode == 0, done.stderr
    assert corpora(tmp_path) == corpora(expected)


def test_pages_that_want_more_than_there_is(spark: OnSpark, file: Path, tmp_path: Path) -> None:
    """The guard's own bound drops them, as on every engine, and so many at once stop the run."""
    begin(file, "eat any")
    done = spark.run(tmp_path, *rule(file), settings=["spark.executor.pyspark.memory=6g"])
    assert done.returncode == 3, done.stderr
    assert "extractor_crash (out of memory)" in one_line(done)


def test_too_little_memory_for_a_guard(spark: OnSpark, tmp_path: Path) -> None:
    done = spark.run(tmp_path, settings=["spark.executor.pyspark.memory=1g"])
    assert done.returncode == 2, done.stderr
    assert "spark.executor.pyspark.memory" in one_line(done)


@pytest.fixture(autouse=True)
def afterwards(file: Path) -> Iterator[None]:
    """Nothing goes on going wrong."""
    yield
    file.unlink(missing_ok=True)


def begin(file: Path, what: str) -> Path:
    """Says what is to happen; the path that exists once it has."""
    met = Path(f"{file}.met")
    met.unlink(missing_ok=True)
    file.write_text(what)
    return met
