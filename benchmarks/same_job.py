"""The same job on several engines by turns: what each costs over the local one, and whether they all wrote the same."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from process_tree import DRIVER, JVM, WORKER, Cost, adopt_orphans, bury, cost_of, keep_burying
from repeated_pages import repeated
from warc_sample import sampled

from corpus.storage import Folder
from corpus.text.language import LANGUAGES
from pipelines.artifact import Place
from pipelines.names import DEDUPED, EXTRACTED, MIXTURE

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "samples" / "web"
MILLSTREAM = Path(sys.executable).with_name("millstream")
ARCHIVE = "pages.warc.gz"
BUDGET_SHARE = 0.5  # of the text that deduplication leaves: the hold-out's part is not in it
MB = 1e6


@dataclass(frozen=True)
class Side:
    """An engine with its options, the side that it is compared with, and the process sessions that work for it."""

    name: str
    options: tuple[str, ...]
    base: str
    sessions: tuple[int, ...] = ()


LOCAL_1, LOCAL_2, SPARK_1, SPARK_2 = "local, 1 worker", "local, 2 workers", "Spark, local[1]", "Spark, local[2]"
CLUSTER = "Spark, a master and 2 workers of a core"
SIDES = (
    Side(LOCAL_1, ("--workers", "1"), LOCAL_1),
    Side(SPARK_1, ("--engine", "spark", "--workers", "1"), LOCAL_1),
    Side(LOCAL_2, ("--workers", "2"), LOCAL_2),
    Side(SPARK_2, ("--engine", "spark", "--workers", "2"), LOCAL_2),
)
SCALINGS = ((LOCAL_1, LOCAL_2), (SPARK_1, SPARK_2))


@dataclass
class Costs:
    """The runs of a side, and the runs after them that found everything done."""

    whole: list[Cost] = field(default_factory=list)
    nothing: list[Cost] = field(default_factory=list)

    def seconds(self, what: str) -> float:
        """The median of wall_seconds or cpu_seconds."""
        return float(median(getattr(cost, what) for cost in self.whole))

    def start(self, what: str) -> float:
        """The same of a run with nothing to do: Python's and Java's start, the session, the report."""
        return float(median(getattr(cost, what) for cost in self.nothing))

    def net(self, what: str) -> float:
        """What the work took."""
        return self.seconds(what) - self.start(what)


def archive_in(folder: Path, pages: Path, every: int, times: int) -> None:
    """The job's archive: every n-th page of the sources in `pages`, or all of the sample where there are none."""
    if folders := sorted(path.parent for path in pages.glob("*/pages.warc.gz")):
        sampled(folders, every, folder / ARCHIVE, as_stored=True)
    else:
        (folder / ARCHIVE).write_bytes(b"".join(path.read_bytes() for path in sorted(SAMPLE.glob("*.warc.gz"))))
    repeated(folder / ARCHIVE, times)


def recipe_of(archive: Path, n_shards: int, budget_bytes: int | None) -> str:
    """All of the corpus part, in about so many shards, as YAML (JSON is YAML); without a mixture where no budget is."""
    split_bytes = -(-archive.stat().st_size // n_shards)
    recipe: dict[str, Any] = {
        "name": "same_job",
        "seed": 17,
        "sources": {"web": {"format": "warc", "paths": [str(archive)]}},
        "corpus": {
            "language": {"keep": sorted(LANGUAGES), "min_score": 0.65},
            "rules": [{"rule": "c4", "dialect": "tfds-3"}],
            "dedup": [{"method": "url"}, {"method": "exact"}, {"method": "minhash"}],
            "holdout": {"share": 0.05},
            "split_bytes": split_bytes,
            "shard_bytes": max(split_bytes // 8, 1),  # text is about an eighth of its page, both compressed
        },
    }
    if budget_bytes:
        recipe["mix"] = {"weights": {"web": 1.0}, "budget": {"bytes": budget_bytes}}
    return json.dumps(recipe)


def manifests(root: Path) -> dict[str, bytes]:
    """The manifests of a run's corpora, which hold the sha256 of every file."""
    return {path.parts[-3]: path.read_bytes() for path in sorted(root.glob("corpus/*/dev/manifest.json"))}


def require_same(name: str, found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> None:
    """Exits unless both have the same corpora with the same manifests."""
    if others := sorted(
        corpus for corpus in found.keys() | expected.keys() if found.get(corpus) != expected.get(corpus)
    ):
        sys.exit(f"{name}: other manifests than on {LOCAL_1}: {', '.join(others)}")


@contextmanager
def sides(folder: Path, with_cluster: bool) -> Iterator[tuple[Side, ...]]:
    """The sides that are measured, with a cluster that lives as long as the block."""
    with ExitStack() as stack:
        if not with_cluster:
            yield SIDES
            return
        sys.path.append(str(HERE.parent / "tests"))
        from spark_cluster import cluster

        adopt_orphans()
        found = stack.enter_context(cluster(folder))
        sets = [word for setting in found.settings for word in ("--engine-set", setting)]
        daemons = (found.master.pid, *(worker.pid for worker in found.workers))
        stack.callback(keep_burying, daemons)  # while the cluster ends
        yield (*SIDES, Side(CLUSTER, ("--engine", "spark", *sets), LOCAL_2, daemons))


def once(side: Side, recipe: Path, work: Path, only: str = MIXTURE) -> Cost:
    """One run in the folder `work`."""
    command = [MILLSTREAM, "run", recipe, "--root", work / "run", "--only", only, *side.options]
    cost = cost_of(command, work / "log", sessions=side.sessions)
    bury(side.sessions)
    return cost


def measured(
    pages: Path, every: int, times: int, n_shards: int, rounds: int, with_cluster: bool
) -> tuple[str, int, dict[str, Costs]]:
    """What the job is, its documents, and each side's costs. Exits where a side writes other files than the first."""
    costs: dict[str, Costs] = {}
    with TemporaryDirectory() as place, sides(Path(place) / "cluster", with_cluster) as all_sides:
        folder = Path(place)
        archive_in(folder, pages, every, times)
        recipe = folder / "recipe.yaml"
        recipe.write_text(recipe_of(folder / ARCHIVE, n_shards, None))
        once(SIDES[0], recipe, folder, DEDUPED)  # compiles our kernels too
        made = Place(Folder(str(folder / "run")))
        n_documents, kept = made.need(EXTRACTED).read, made.need(DEDUPED)
        n_extracted = len(made.need(EXTRACTED).shards)
        recipe.write_text(recipe_of(folder / ARCHIVE, n_shards, int(BUDGET_SHARE * kept.kept_bytes)))
        expected: dict[str, bytes] = {}
        for side in all_sides * rounds:
            with TemporaryDirectory(dir=place) as work:
                cost, nothing = (once(side, recipe, Path(work)) for _ in range(2))
                expected = expected or manifests(Path(work) / "run")
                require_same(side.name, manifests(Path(work) / "run"), expected)
            costs.setdefault(side.name, Costs()).whole.append(cost)
            costs[side.name].nothing.append(nothing)
            print(f"{side.name}: {cost.wall_seconds:.1f} s, {cost.cpu_seconds:.1f} CPU s", file=sys.stderr)
        what = (
            f"{n_documents:,} records, {(folder / ARCHIVE).stat().st_size / MB:.1f} MB of gzip, {n_extracted} shards, "
            f"{kept.kept:,} documents after deduplication; {len(expected)} corpora with equal manifests on every side"
        )
    return what, n_documents, costs


def table(n_documents: int, costs: Mapping[str, Costs]) -> str:
    """A line for each side, medians; then what a second worker gives."""
    lines = [
        "| engine | wall s | documents/s | CPU s | over local: wall | CPU | start-up: wall s | CPU s "
        "| over local, net of start-up: wall | CPU | memory of all, MB | driver | JVM | one worker |",
        "|---|" + "---:|" * 13,
        *(_line(side, n_documents, costs) for side in costs),
        "",
        "| from 1 worker to 2 | times as fast | net of start-up | CPU s |",
        "|---|---:|---:|---:|",
    ]
    for one, two in SCALINGS:
        wall = costs[one].seconds("wall_seconds") / costs[two].seconds("wall_seconds")
        net = costs[one].net("wall_seconds") / costs[two].net("wall_seconds")
        cpu = costs[two].seconds("cpu_seconds") / costs[one].seconds("cpu_seconds") - 1
        lines.append(f"| {one.partition(',')[0]} | {wall:.2f} | {net:.2f} | {cpu:+.0%} |")
    return "\n".join(lines)


def _line(name: str, n_documents: int, costs: Mapping[str, Costs]) -> str:
    bases = {side.name: side.base for side in SIDES} | {CLUSTER: LOCAL_2}
    own, base = costs[name], costs[bases[name]]
    kinds = ("wall_seconds", "cpu_seconds")
    over = [f"{own.seconds(kind) / base.seconds(kind) - 1:+.0%}" if own is not base else "" for kind in kinds]
    net = [f"{own.net(kind) / base.net(kind) - 1:+.0%}" if own is not base else "" for kind in kinds]
    wall, cpu = (own.seconds(kind) for kind in kinds)
    starts = [f"{own.start(kind):.1f}" for kind in kinds]
    memory = [
        f"{median(cost.pss for cost in own.whole) / MB:,.0f}",
        *(_most([cost.rss.get(role) for cost in own.whole]) for role in (DRIVER, JVM, WORKER)),
    ]
    cells = [name, f"{wall:.1f}", f"{n_documents / wall:,.0f}", f"{cpu:.1f}", *over, *starts, *net, *memory]
    return f"| {' | '.join(cells)} |"


def _most(sizes: Sequence[int | None]) -> str:
    known = [size for size in sizes if size is not None]
    return f"{max(known) / MB:,.0f}" if known else ""
