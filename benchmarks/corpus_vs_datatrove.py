"""Our line, read to deduplicated documents, beside datatrove's FineWeb-style chain on the same archives.

    make .venv-datatrove                                  the peer's environment
    python benchmarks/corpus_vs_datatrove.py              every 6th page of each source
    python benchmarks/corpus_vs_datatrove.py --every 1    all pages

CPU seconds (user and system) of all processes, on one core, ours and the peer's runs by turns; medians.
"Whole process" is what `millstream run` and a datatrove script cost from start to end; "start-up" is the same over one
page of each source, and the lines by step are net of it. Steps are timed by a clock that our_line.py and
datatrove_chain.py put around them; there it is said what the chains are. Both sides read the same archives: the pages'
records with the header `WARC-Identified-Payload-Type: text/html` that Common Crawl's have; without it (`--as-stored`)
the peer asks libmagic, which takes a sixth of these pages for JavaScript, and passes them over.
"""

import argparse
import ctypes
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from side_by_side import FULL, OURS, SHARED, SIDES, Cost, Result
from warc_sample import sampled

from corpus.manifest import Manifest
from corpus.resources import LID176
from corpus.storage import Folder
from corpus.text.language import LANGUAGES
from pipelines.artifact import Place
from pipelines.corpus_steps import DEDUPED, EXTRACTED, PAGES

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data" / "pages"
PEER = HERE.parent / ".venv-datatrove" / "bin" / "python"
ARCHIVE = "pages.warc.gz"
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


@dataclass(frozen=True)
class Bench:
    """How both sides run: the languages that are kept (None: any that is sure enough), and our tier of extraction."""

    peer: Path
    language: str | None
    tier: str

    def ours(self, archives: Path, work: Path) -> Cost:
        """Once as a user runs it, for the whole; once under the clock, for the steps."""
        recipe, out = work / "recipe.yaml", work / "ours.json"
        recipe.write_text(recipe_of(archives, self.language, self.tier))
        command = [Path(sys.executable).with_name("millstream"), "run", recipe, "--root", work / "run"]
        whole = cpu_seconds([*command, "--workers", "1", "--only", "corpus/deduped"], work)
        cpu_seconds([sys.executable, HERE / "our_line.py", recipe, work / "clocked", out], work)
        return Cost(whole, json.loads(out.read_text()), documents_of(Place(Folder(str(work / "run")))))

    def theirs(self, archives: Path, work: Path, *options: str) -> Cost:
        """Once, under the clock."""
        out = work / "theirs.json"
        language = ["--language", self.language] if self.language else []
        script = [self.peer, HERE / "datatrove_chain.py", archives, work / "work", LID176.path(), out]
        whole = cpu_seconds([*script, *options, *language], work)
        return Cost(whole, *json.loads(out.read_text()).values())

    def rounds(self, archives: Path, n_rounds: int) -> dict[str, list[Cost]]:
        """The costs of each side, by turns; ours twice a round, for it is short and a moment's noise weighs more."""
        costs: dict[str, list[Cost]] = {side: [] for side in SIDES}
        for side in (OURS, SHARED, OURS, FULL) * n_rounds:
            with TemporaryDirectory() as work:
                options = ["--shared"] if side == SHARED else []
                run = self.ours if side == OURS else self.theirs
                costs[side].append(run(archives, Path(work), *options))
            print(f"{side}: {costs[side][-1].whole:.1f} CPU s", file=sys.stderr)
        return costs


def cpu_seconds(command: Sequence[object], log_folder: Path) -> float:
    """User and system time of a command and of every process that it leaves behind, until all have ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (log_folder / "log").open("w+") as log:
        done = subprocess.run([str(part) for part in command], stdout=log, stderr=log, check=False)
        if done.returncode:
            log.seek(0)
            sys.exit(f"{command[0]} ended with {done.returncode}:\n{log.read()[-4000:]}")
    while True:  # we are their subreaper: a fork server, orphaned by its driver's end, is waited for here
        try:
            os.wait()
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def recipe_of(archives: Path, language: str | None, tier: str) -> str:
    """The recipe of our line with FineWeb's settings for language and MinHash, as YAML (JSON is YAML)."""
    return json.dumps(
        {
            "name": "benchmark",
            "seed": 17,
            "sources": {"web": {"format": "warc", "paths": [str(archives / ARCHIVE)]}},
            "corpus": {
                "extract": {"tier": tier},
                "language": {"keep": [language] if language else sorted(LANGUAGES), "min_score": 0.65},
                "rules": [{"rule": "c4", "dialect": "tfds-3"}],
                "dedup": [{"method": "url"}, {"method": "exact"}, {"method": "minhash"}],
            },
        }
    )


def documents_of(place: Place) -> dict[str, int]:
    """The documents that our steps let through, by the manifests."""
    extracted, pages, deduped = (place.need(name) for name in (EXTRACTED, PAGES, DEDUPED))

    def lost(manifest: Manifest, stage: str) -> int:
        return sum(tally.documents for tally in manifest.tally if tally.dropped_by == stage)

    return {
        "read WARC": extracted.read - lost(extracted, "read_warc"),
        "extract": extracted.kept,
        "language": pages.read - lost(pages, "language_filter"),
        "C4": pages.kept,
        "join duplicates": deduped.kept,
    }


def processor() -> str:
    """The processor's name, as Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def peer_versions(python: Path) -> str:
    """The packages that the peer's speed hangs on."""
    names = ("datatrove", "trafilatura", "spacy", "fasttext-numpy2-wheel", "numpy")
    code = f"from importlib.metadata import version as v; print(*(n + ' ' + v(n) for n in {names}), sep=', ')"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def benchmark(asked: argparse.Namespace) -> Result:
    """Samples, warms up, measures."""
    folders = sorted(path.parent for path in asked.pages.glob("*/pages.warc.gz"))
    if not folders:
        sys.exit(f"{asked.pages} has no */pages.warc.gz; say with --pages where they are")
    bench = Bench(asked.peer, asked.language, asked.tier)
    with TemporaryDirectory() as place:
        whole, one_page = Path(place) / "whole", Path(place) / "one_page"
        whole.mkdir()
        one_page.mkdir()
        sampled(folders, sys.maxsize, one_page / ARCHIVE, asked.as_stored)
        n_pages = sampled(folders, asked.every, whole / ARCHIVE, asked.as_stored)
        size_bytes = (whole / ARCHIVE).stat().st_size
        bench.rounds(one_page, 1)  # the first run of all compiles our kernels
        starts = bench.rounds(one_page, min(asked.rounds, 3))
        costs = bench.rounds(whole, asked.rounds)
    return Result(costs, starts, n_pages, len(folders), size_bytes)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=Path, default=DATA, help="a folder of SOURCE/pages.warc.gz")
    parser.add_argument("--every", type=int, default=6, help="take each N-th page of a source; 1 takes all")
    parser.add_argument(
        "--as-stored", action="store_true", help="leave the records as they are, without a payload type"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--language", help="keep this language alone, on both sides")
    parser.add_argument("--tier", default="fast", help="our tier of extraction")
    parser.add_argument("--peer", type=Path, default=PEER, help="Python of the peer's environment")
    asked = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    result = benchmark(asked)
    records = "records as stored" if asked.as_stored else "records with a payload type"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, one core, Python {platform.python_version()}")
    print(f"`{' '.join(['python benchmarks/corpus_vs_datatrove.py', *sys.argv[1:]])}`")
    print(
        f"{result.n_pages:,} pages of {result.n_sources} sources, {result.size_bytes / 1e6:.1f} MB of gzip, {records}"
    )
    print(f"languages: {asked.language or 'any of 176'} at 0.65 and above; rounds: {asked.rounds}")
    print(f"peer: {peer_versions(asked.peer)}\n\n{result.table()}")


if __name__ == "__main__":
    main()
