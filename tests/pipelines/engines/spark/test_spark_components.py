"""Components by rounds of stars against union-find (corpus/wide.py): long chains, huge stars, random graphs."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from spark_frames import collected, frame

from corpus.plan import EDGE, LABELLED
from corpus.storage import Folder
from corpus.wide import component_labels
from pipelines.engines.spark.components import components

Names = list[str]
Pairs = Iterable[tuple[int, int]]


def edges(pairs: Pairs, names: Names) -> pa.Table:
    """A row for each pair of numbers, shuffled; the home of a name is its number, in shards of 1,000."""
    left, right = (np.array(side, np.int64) for side in zip(*pairs, strict=True))
    order = np.random.default_rng(1).permutation(len(left))
    left, right = left[order], right[order]
    named = pa.array(names)
    columns = [named.take(left), pa.array(left // 1000, pa.int32()), pa.array(left % 1000), named.take(right)]
    return pa.table(columns, schema=EDGE)


def hexes(n: int) -> Names:
    """Names whose order has nothing to do with their numbers."""
    return [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in range(n)]


def chain(n: int) -> Pairs:
    return zip(range(1, n), range(n - 1), strict=True)


def random_graph(seed: int, n: int, n_edges: int) -> Pairs:
    return map(tuple, np.random.default_rng(seed).integers(0, n, (n_edges, 2)).tolist())  # type: ignore[arg-type]


GRAPHS: dict[str, pa.Table] = {
    "nothing": EDGE.empty_table(),
    "loops and repetitions": edges([(0, 0), (1, 1), (2, 1), (1, 2), (2, 1)], ["a", "b", "c"]),
    "beyond ascii": edges([(0, 1), (1, 2), (3, 4)], ["\U0001f600", "\uffff", "ü", "\U0001f601", "漢"]),
    "sparse": edges(random_graph(1, 3000, 2000), hexes(3000)),
    "cliques": edges([(20 * a + b, 20 * a + c) for a in range(20) for b in range(20) for c in range(b)], hexes(400)),
}
LARGE = {
    "chain": edges(chain(10_000), hexes(10_000)),
    "star": edges(((n, 0) for n in range(1, 50_000)), hexes(50_000)),
    "star around the last": edges(((49_999, n) for n in range(49_999)), [f"{n:05}" for n in range(50_000)]),
}


def found(spark: SparkSession, graph: pa.Table, tmp_path: Path) -> tuple[pa.Table, list[tuple[int, int]]]:
    rounds: list[tuple[int, int]] = []
    (tmp_path / "source").mkdir()
    source = frame(spark, graph, tmp_path / "source")
    labels = components(spark, Folder(str(tmp_path / "rounds")), lambda: source, lambda *said: rounds.append(said))
    return collected(labels, LABELLED), rounds


def reference(graph: pa.Table) -> pa.Table:
    return component_labels(graph).sort_by("id").combine_chunks()


@pytest.mark.parametrize("name", GRAPHS)
def test_components(spark: SparkSession, tmp_path: Path, name: str) -> None:
    labels, rounds = found(spark, GRAPHS[name], tmp_path)
    assert labels.equals(reference(GRAPHS[name]))
    assert [number for number, _ in rounds] == list(range(len(rounds)))
    assert set(Folder(str(tmp_path / "rounds")).names("directory")) == {"edges", f"round-{rounds[-1][0]}"}


@pytest.mark.parametrize("name", LARGE)
def test_components_of_large_graphs(spark: SparkSession, tmp_path: Path, name: str) -> None:
    labels, rounds = found(spark, LARGE[name], tmp_path)
    assert labels.equals(reference(LARGE[name]))
    assert len(rounds) <= 20
    assert all(after <= before for (_, before), (_, after) in pairwise(rounds))


def test_a_killed_run_goes_on_from_its_latest_round(spark: SparkSession, tmp_path: Path) -> None:
    graph = edges(chain(300), hexes(300))
    folder, heard = Folder(str(tmp_path / "rounds")), list[int]()
    (tmp_path / "source").mkdir()

    def killed_at(last: int, number: int) -> None:
        heard.append(number)
        if number == last:
            raise KeyboardInterrupt

    def never() -> DataFrame:
        raise AssertionError("the edges stand there")

    with pytest.raises(KeyboardInterrupt):
        components(spark, folder, lambda: frame(spark, graph, tmp_path / "source"), lambda n, _: killed_at(2, n))
    labels = components(spark, folder, never, lambda n, _: killed_at(-1, n))
    assert collected(labels, LABELLED).equals(reference(graph))
    assert heard[:4] == [0, 1, 2, 2]
    assert heard[3:] == list(range(2, 2 + len(heard[3:])))
