"""A Spark cluster that the tests of this folder share, and what undisturbed runs give."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_runs import require
from on_spark import ROOT, OnSpark
from small_run import write_input
from spark_cluster import cluster


@pytest.fixture(scope="session")
def shared_spark(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnSpark]:
    require("spark")
    folder = tmp_path_factory.mktemp("spark")
    unlike = folder / "unlike"
    paths = {0: {"PYTHONPATH": str(ROOT)}, 1: {"PYTHONPATH": f"{unlike}:{ROOT}"}}
    with cluster(folder / "cluster", environments=paths) as found:
        yield OnSpark(found, write_input(folder / "input", sample), unlike)


@pytest.fixture
def spark(shared_spark: OnSpark) -> Iterator[OnSpark]:
    """The cluster, with nothing unlike on it before the test and after."""
    shared_spark.unlike.mkdir()
    yield shared_spark
    shutil.rmtree(shared_spark.unlike)
