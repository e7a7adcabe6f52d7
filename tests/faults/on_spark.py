"""The command line on a small real Spark cluster, where things can be made to go wrong."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from small_run import durable, outside
from spark_cluster import Cluster

ROOT = Path(__file__).parents[2]
LAST = "corpus/deduped"
JAVAS_OWN = ("WARNING: Using incubator modules", "NOTE: Picked up JDK_JAVA_OPTIONS")  # Java tells what it was asked for
RULES = "corpus.rules=[{rule: c4, dialect: tfds-3}, {rule: 'tests.faults.mishap:Mishap', file: %s}]"


@dataclass(frozen=True)
class OnSpark:
    """A cluster of two one-core workers and a small recipe. Python code in `unlike` comes first on worker 1, whose
    files between stages lie in `disks[1]`."""

    found: Cluster
    recipe: Path
    unlike: Path

    @property
    def disks(self) -> list[Path]:
        """Where each worker's executors keep their files."""
        return [worker.folder / "local" for worker in self.found.workers]

    @property
    def hosts(self) -> set[str]:
        """The addresses of the workers."""
        with urllib.request.urlopen(self.found.state_url, timeout=5) as answer:
            return {worker["host"] for worker in json.load(answer)["workers"]}

    def latest_logs(self, worker: int) -> str:
        """What the worker's executors of the latest run have said."""
        *_, latest = sorted((self.found.workers[worker].folder / "work").glob("app-*"))
        return "".join(log.read_text(errors="replace") for log in latest.glob("*/stderr"))

    def words(self, root: Path | str, *more: object, settings: Sequence[str] = ()) -> list[str]:
        """The arguments of a run up to the deduplicated corpus."""
        sets = [word for setting in (*self.found.settings, *settings) for word in ("--engine-set", setting)]
        return [
            *map(str, ["run", self.recipe, "--root", root, "--only", LAST, *more]),
            *("--engine", "spark", *sets),
        ]

    def run(self, root: Path | str, *more: object, settings: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Runs it in a process of its own."""
        return outside(*self.words(root, *more, settings=settings), timeout=300)

    def copy_packages(self) -> None:
        """Makes worker 1 work with a copy of our code, to be changed."""
        for package in ("corpus", "tokenizer", "pipelines"):
            shutil.copytree(ROOT / package, self.unlike / package, ignore=shutil.ignore_patterns("__pycache__"))


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """What it said on stderr, which was one line."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith(JAVAS_OWN)]
    assert len(lines) == 1, done.stderr
    return lines[0]


def corpora(root: Path) -> dict[str, bytes]:
    """The durable files of the corpora up to the deduplicated one."""
    return {path: data for path, data in durable(root).items() if path.startswith(CORPORA)}


def rule(file: Path) -> tuple[str, str]:
    """The words that put the mishap of a file into the recipe."""
    return "--set", RULES % json.dumps(str(file))


CORPORA = ("corpus/extracted/", "corpus/pages/", "corpus/deduped/")
