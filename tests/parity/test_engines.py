"""Every shipped recipe's corpora, from every engine: the same files, byte for byte."""

import sys
from pathlib import Path

import pytest
from engine_runs import SPARK_35, command, differing, driven, require
from parity.drive import distinct
from spark_cluster import cluster

Files = dict[str, bytes]


def check(folder: Path, reference: dict[str, Files]) -> None:
    others = {name: differing(files, folder / name) for name, files in reference.items()}
    assert not any(others.values()), others


@pytest.mark.parametrize(
    ("engine", "workers", "python"),
    [("local", 2, sys.executable), ("datatrove", 2, sys.executable), ("spark", 2, sys.executable)],
    ids=["local", "datatrove", "spark"],
)
def test_same_bytes(engine: str, workers: int, python: Path, reference: dict[str, Files], tmp_path: Path) -> None:
    require(engine)
    driven(command(tmp_path, engine, workers, python=python), distinct())
    check(tmp_path, reference)


def test_same_bytes_on_spark_3_5(reference: dict[str, Files], tmp_path: Path) -> None:
    require("spark 3.5")
    driven(command(tmp_path, "spark", 2, python=SPARK_35), distinct())
    check(tmp_path, reference)


def test_same_bytes_on_a_cluster(reference: dict[str, Files], tmp_path: Path) -> None:
    require("spark")
    with cluster(tmp_path / "cluster", 2) as found:
        driven(command(tmp_path / "built", "spark", 2, found.settings), distinct())
    check(tmp_path / "built", reference)
