"""What a slow object store costs: one job from and to moto, directly and through a proxy that makes every request wait.

    python benchmarks/object_store.py --copies 12 --rounds 3

The arms take turns. moto and the proxy run on the same machine and take their CPU time in every arm that has them.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import s3fs

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))

from slow_store import FAIR, SlowStore, Weather, aws_environment, moto, slow_store  # noqa: E402

PAGES = ROOT.parent / "shared" / "data" / "pages"
SAMPLE = ROOT / "samples" / "web"
DIRECT, PROXY, SLOW = "moto", "proxy", "proxy, slow"
RECIPE = """
name: object_store
seed: 1
sources:
  web: {{format: warc, paths: ["s3://corpora/in/*.warc.gz"]}}
corpus:
  language: {{keep: [en, de, fr, es, zh, ru, el, pl], min_score: 0.65}}
  rules: [{{rule: c4, dialect: tfds-3}}]
  dedup: [{{method: url}}, {{method: exact}}, {{method: minhash}}]
  split_bytes: {split_bytes}
"""


@dataclass(frozen=True)
class Run:
    """One run of an arm: wall seconds, requests by kind, how many were refused, and what was made."""

    seconds: float
    kinds: Counter[Any]
    n_refused: int
    shards: list[Any]

    @property
    def n_requests(self) -> int:
        return sum(self.kinds.values())


@dataclass(frozen=True)
class Bench:
    """The job, and the two doors of the store."""

    asked: argparse.Namespace
    folder: Path
    direct: int
    proxy: SlowStore

    def run(self, arm: str, number: int) -> Run:
        """The job in an arm, into a root of its own that is gone afterwards."""
        slow = Weather(delay=self.asked.delay, refused=self.asked.refused, seed=number)
        self.proxy.weather = slow if arm == SLOW else FAIR
        self.proxy.forget()
        root = f"corpora/{arm.replace(', ', '-')}-{number}"
        options = ["--workers", str(self.asked.workers), *(["--only", self.asked.only] if self.asked.only else [])]
        command = [sys.executable, "-m", "pipelines", "run", "recipe.yaml", "--root", f"s3://{root}", *options]
        env = os.environ | aws_environment(self.direct if arm == DIRECT else self.proxy.port)
        begun = time.monotonic()
        done = subprocess.run(command, cwd=self.folder, env=env, check=False, capture_output=True, text=True)
        seconds = time.monotonic() - begun
        if done.returncode:
            sys.exit(f"{arm}: {done.stderr}")
        refused = self.proxy.outcomes["refused"]
        made = self.made(root)
        return Run(seconds, self.proxy.counted(lambda request: request.kind), refused, made)

    def made(self, root: str) -> list[Any]:
        """The shards of every artifact under the root, which is taken away."""
        fs = s3fs.S3FileSystem(use_listings_cache=False)
        manifests = [json.loads(fs.cat_file(name)) for name in sorted(fs.glob(f"{root}/**/manifest.json"))]
        fs.rm(root, recursive=True)
        return [shard for manifest in manifests for shard in manifest["shards"]]


def archives(asked: argparse.Namespace) -> list[Path]:
    """The archives of real pages that the job reads, each `copies` times."""
    found = sorted(asked.pages.glob("*/pages.warc.gz")) or sorted(SAMPLE.glob("*.warc.gz"))
    return found * asked.copies


def table(runs: dict[str, list[Run]]) -> str:
    """Arms as rows; overhead is to the arm before the last, which has all but the waiting."""
    head = "| arm | wall s, median | all | over the proxy alone | requests a run | per shard | refused |"
    lines = [head, "|---|---:|---|---:|---:|---:|---:|"]
    base = statistics.median(run.seconds for run in runs[PROXY])
    for arm, done in runs.items():
        seconds = statistics.median(run.seconds for run in done)
        last = done[-1]
        each = f"{last.n_requests:,} | {last.n_requests / len(last.shards):.1f}" if last.n_requests else "the same |"
        told = " ".join(f"{run.seconds:.1f}" for run in done)
        lines.append(f"| {arm} | {seconds:.1f} | {told} | {seconds / base - 1:+.1%} | {each} | {last.n_refused} |")
    return "\n".join(lines)


def benchmark(asked: argparse.Namespace) -> tuple[dict[str, list[Run]], int, int]:
    """Runs of the arms, the number of archives and their bytes."""
    paths = archives(asked)
    runs: dict[str, list[Run]] = {DIRECT: [], PROXY: [], SLOW: []}
    with moto() as port, slow_store(port) as proxy, TemporaryDirectory() as folder:
        os.environ.update(aws_environment(port))
        fs = s3fs.S3FileSystem(use_listings_cache=False)
        fs.mkdir("corpora")
        for number, path in enumerate(paths):
            fs.put_file(str(path), f"corpora/in/{number:05d}.warc.gz")
        Path(folder, "recipe.yaml").write_text(RECIPE.format(split_bytes=asked.split_bytes))
        bench = Bench(asked, Path(folder), port, proxy)
        for number in range(asked.rounds):
            for arm, done in runs.items():
                done.append(bench.run(arm, number))
    (made, *others) = [run.shards for done in runs.values() for run in done]
    assert all(other == made for other in others), "the arms made different shards"
    return runs, len(paths), sum(path.stat().st_size for path in paths)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=Path, default=PAGES, help="a folder of SOURCE/pages.warc.gz")
    parser.add_argument("--copies", type=int, default=12, help="how often each archive is read")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="corpus/extracted", help='an artifact; "" for the whole line')
    parser.add_argument("--split-bytes", type=int, default=16_000_000)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds that each request waits")
    parser.add_argument("--refused", type=float, default=0.01, help="share that is answered 503 SlowDown")
    asked = parser.parse_args()
    runs, n_archives, n_bytes = benchmark(asked)
    n_shards = len(runs[SLOW][-1].shards)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"`{' '.join(['python benchmarks/object_store.py', *sys.argv[1:]])}`")
    print(f"{n_archives} archives, {n_bytes / 1e6:.0f} MB of gzip, {n_shards} shards of {asked.only or 'all corpora'}")
    print(f"slow: {asked.delay * 1000:.0f} ms a request and {asked.refused:.0%} of 503\n\n{table(runs)}\n")
    kinds = runs[SLOW][-1].kinds
    print("requests of the last slow run:", ", ".join(f"{n:,} {kind}" for kind, n in kinds.most_common()))


if __name__ == "__main__":
    main()
