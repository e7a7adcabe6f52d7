"""What very many input files cost: planning, the driver's memory, requests to the store, open files, output.

    python benchmarks/many_files.py --n 100000 --where disk s3 --cut one default

`--n` archives of a page each (tiny_archives.py) lie in one folder, on a disk or in a bucket of moto's server behind a
proxy that counts requests (tests/slow_store.py, without delay); outputs lie beside them. `--cut one` makes each archive
a shard of its own in both corpora, `--cut default` puts them together as a recipe does that says nothing. The local
engine, 2 workers, builds corpus/extracted, then corpus/pages, each by a command line of its own, which is what is
timed; "planning" ends when the fork server of the workers is born. The driver is the process of the command line
alone. Wall times on S3 are mostly moto's, which runs on the same machine.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import fsspec
from engines import head
from process_tree import DRIVER, WORKER, Cost, cost_of
from same_job import MILLSTREAM
from tiny_archives import archives

from corpus.manifest import Manifest
from corpus.storage import Folder
from pipelines.artifact import Place
from pipelines.names import EXTRACTED, PAGES

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
from slow_store import Request, SlowStore, aws_environment, moto, slow_store

DISK, S3 = "disk", "s3"
ONE, DEFAULT = "one", "default"
BUCKET = "tiny"
WORKERS = 2
UPLOADS_AT_ONCE = 16
KINDS = ("get", "head", "list", "put")
FOLDERS = ("web", "data", "rejects", "commits", "run")
LISTED_AT_ONCE = 1000
"""Names that S3 gives in an answer to a listing."""
MB = 1e6


@dataclass(frozen=True)
class Store:
    """A place for archives and outputs: its base, what a command needs to reach it, and the proxy that counts."""

    base: str
    environment: Mapping[str, str] = field(default_factory=dict)
    proxy: SlowStore | None = None


@dataclass(frozen=True)
class Step:
    """The build of one corpus: what it cost, what it made, what it asked the store for."""

    where: str
    cut: str
    name: str
    cost: Cost
    manifest: Manifest
    asked: Counter[Request]

    @property
    def n_shards(self) -> int:
        """How many shards it made."""
        return len(self.manifest.shards)


@contextmanager
def stores(where: str, folder: Path) -> Iterator[Store]:
    """The store for as long as the block lasts."""
    if where == DISK:
        yield Store(str(folder))
        return
    with moto() as behind, slow_store(behind) as proxy:
        os.environ.update(aws_environment(behind))  # what we put and look up ourselves is not counted
        fsspec.filesystem("s3").mkdir(BUCKET)
        yield Store(f"s3://{BUCKET}", aws_environment(proxy.port), proxy)


def put(store: Store, n: int) -> list[int]:
    """Puts the archives into STORE/web; their sizes."""
    fs, base = fsspec.core.url_to_fs(f"{store.base}/web")
    fs.makedirs(base, exist_ok=True)

    def one(item: tuple[str, bytes]) -> int:
        fs.pipe_file(f"{base}/{item[0]}", item[1])
        return len(item[1])

    with ThreadPoolExecutor(UPLOADS_AT_ONCE if store.proxy else 1) as threads:
        return list(threads.map(one, archives(n)))


def recipe_of(store: Store, cut: str, sizes: Sequence[int]) -> str:
    """Archives to pages, as YAML (JSON is YAML)."""
    corpus: dict[str, Any] = {"language": {"keep": ["en"]}, "rules": [{"rule": "c4", "dialect": "tfds-3"}]}
    if cut == ONE:
        if max(sizes) >= 2 * min(sizes):
            sys.exit(f"archives of {min(sizes)} to {max(sizes)} bytes: two of them would become one shard")
        corpus |= {"split_bytes": max(sizes), "shard_bytes": 1}  # none is cut, and no two fit together
    sources = {"tiny": {"format": "warc", "paths": [f"{store.base}/web/*.warc.gz"]}}
    return json.dumps({"name": "many_files", "seed": 17, "sources": sources, "corpus": corpus})


def measured(where: str, store: Store, cut: str, sizes: Sequence[int], work: Path) -> list[Step]:
    """Both corpora, one after the other."""
    recipe, root = work / f"{cut}.yaml", f"{store.base}/run-{cut}"
    recipe.write_text(recipe_of(store, cut, sizes))
    steps = []
    for name in (EXTRACTED, PAGES):
        if store.proxy:
            store.proxy.forget()
        command = [MILLSTREAM, "run", recipe, "--root", root, "--workers", WORKERS, "--only", name]
        cost = cost_of(command, work / "log", store.environment)
        asked = store.proxy.requests if store.proxy else Counter[Request]()
        steps.append(Step(where, cut, name, cost, Place(Folder(root)).need(name), asked))
        print(f"{where}, {cut}, {name}: {cost}", file=sys.stderr)
    return steps


def table(steps: Sequence[Step], n: int) -> str:
    """A line for each build; then what it asked an object store for, and which folders it listed."""
    lines = [
        "| where, cut | corpus | shards | planning s | wall s | CPU s | driver MB | one worker MB | open files: driver "
        "| a worker | files out | MB out | median file, bytes |",
        "|---|---|" + "---:|" * 11,
        *map(_line, steps),
    ]
    if on_s3 := [step for step in steps if step.asked]:
        lines += [
            "",
            "| requests | corpus | get | head | list | put | others | in all | a shard |",
            "|---|---|" + "---:|" * 7,
            *(line for step in on_s3 for line in _requests(step)),
            "",
            f"Listings (an answer has {LISTED_AT_ONCE:,} names at most):",
            *(f"- {step.cut}, {step.name}: {_listings(step.asked)}" for step in on_s3),
        ]
    return "\n".join(lines)


def _line(step: Step) -> str:
    cost, files = step.cost, [info for shard in step.manifest.shards for info in shard.files.values()]
    sizes = [info.size for info in files]
    cells = [
        f"{step.where}, {step.cut}",
        step.name,
        f"{step.n_shards:,}",
        f"{cost.born[WORKER]:.1f}",
        f"{cost.wall_seconds:.1f}",
        f"{cost.cpu_seconds:.1f}",
        *(f"{cost.rss[role] / MB:,.0f}" for role in (DRIVER, WORKER)),
        *(str(cost.open_files[role]) for role in (DRIVER, WORKER)),
        f"{len(files) + step.n_shards:,}",  # a shard has a commit record too
        f"{sum(sizes) / MB:,.1f}",
        f"{median(sizes):,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _requests(step: Step) -> Iterator[str]:
    """A line for each kind of file that was asked for, and one for all."""
    counts: Counter[tuple[str, str]] = Counter()
    for request, number in step.asked.items():
        kind = request.kind if request.kind in KINDS else "others"
        for what in (_what(request.key), "in all"):
            counts[what, kind] += number
    for what in [*sorted({what for what, _ in counts} - {"in all"}), "in all"]:
        numbers = [counts[what, kind] for kind in (*KINDS, "others")]
        cells = [*(f"{number:,}" for number in [*numbers, sum(numbers)]), f"{sum(numbers) / step.n_shards:.2f}"]
        yield f"| {step.cut}: {what} | {step.name} | {' | '.join(cells)} |"


def _what(key: str) -> str:
    """The kind of file behind a key: archives, or an artifact's files by their folder."""
    folders = key.split("/")[1:-1]
    return next((name for name in folders if name in FOLDERS), "manifests and records of the run")


def _listings(asked: Mapping[Request, int]) -> str:
    """The folders that were listed more than once, how often, and how many others were."""
    folders: Counter[str] = Counter()
    for request, number in asked.items():
        if request.kind == "list":
            folders[request.key] += number
    often = [f"{name} {number:,} times" for name, number in folders.most_common() if number > 1]
    return ", ".join([*often, f"{len(folders) - len(often):,} others once"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000, help="archives")
    parser.add_argument("--where", nargs="+", choices=(DISK, S3), default=[DISK, S3])
    parser.add_argument("--cut", nargs="+", choices=(ONE, DEFAULT), default=[ONE, DEFAULT])
    asked = parser.parse_args()
    steps: list[Step] = []
    for where in asked.where:
        with TemporaryDirectory() as folder, stores(where, Path(folder)) as store:
            sizes = put(store, asked.n)
            for cut in asked.cut:
                steps += measured(where, store, cut, sizes, Path(folder))
    print(f"{head()}\n{asked.n:,} archives of {min(sizes):,} to {max(sizes):,} bytes\n\n{table(steps, asked.n)}")


if __name__ == "__main__":
    main()
