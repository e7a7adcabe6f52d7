"""Two runs of one recipe in one folder: whichever goes on, the bytes are those of a run alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from small_run import archive, durable, millstream
from waiting import soon

GATE = """
import os
import time
from dataclasses import dataclass
from typing import ClassVar

from corpus.text.verdict import Drop, Keep, Verdict


@dataclass(frozen=True, kw_only=True)
class Gate:
    'Keeps every page, once the file is there that GATE names, if it names one.'

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset({"empty"})

    def __call__(self, text: str) -> Verdict:
        until = time.monotonic() + 60
        while "GATE" in os.environ and not os.path.exists(os.environ["GATE"]) and time.monotonic() < until:
            time.sleep(0.02)
        return Keep(text) if text else Drop("empty")
"""
RECIPE = """
name: two
seed: 3
sources:
  web: {format: warc, paths: ["in/*.warc.gz"]}
corpus:
  extract: {tier: fast}
  language: null
  rules: [{rule: "gate_rule:Gate"}]
  dedup: [{method: exact}]
  split_bytes: 1200
"""
HOLDER = "airflow monthly/2026-11/pages"


@dataclass
class Bench:
    """A recipe whose corpus/pages is held up at a gate, for runs that are told where it is."""

    folder: Path
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.folder / "root"
        (self.folder / "in").mkdir()
        archive(self.folder / "in" / "a.warc.gz", [f"page {n % 9} of a small web, with some words" for n in range(20)])
        (self.folder / "gate_rule.py").write_text(GATE)
        (self.folder / "two.yaml").write_text(RECIPE)

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    @property
    def beat(self) -> Path:
        return self.root / "corpus/pages/dev/run/lease-000001.beat"

    @contextmanager
    def started(self, name: str, *words: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
        """A run, whose words are in NAME.out and NAME.err; ended with all its workers when the block is."""
        command = [sys.executable, "-m", "pipelines", "run", "two.yaml", "--root", "root", "--workers", "1"]
        paths = f"{Path(__file__).parents[2]}:{self.folder}"
        with (self.folder / f"{name}.out").open("w") as out, (self.folder / f"{name}.err").open("w") as err:
            process = subprocess.Popen(
                [*command, "--only", "corpus/deduped", *words], stdout=out, stderr=err, cwd=self.folder,
                env=os.environ | {"PYTHONPATH": paths} | variables, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @contextmanager
    def first(self) -> Iterator[subprocess.Popen[bytes]]:
        """A run that holds corpus/pages and stands at the gate."""
        with self.started("first", GATE=str(self.gate), MILLSTREAM_HOLDER=HOLDER) as process:
            soon(self.beat.exists, "the first run comes to the gate")
            yield process

    def said(self, name: str, stream: str = "out") -> str:
        """What a run has said, without the display's line breaks."""
        return " ".join((self.folder / f"{name}.{stream}").read_text().split())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    bench = Bench(tmp_path_factory.mktemp("alone"))
    with bench.started("alone") as process:
        assert process.wait(60) == 0, bench.said("alone", "err")
    return durable(bench.root)


def test_refused_or_waiting_while_another_builds(bench: Bench, expected: dict[str, bytes]) -> None:
    with (
        bench.first() as first,
        bench.started("refused", "--if-building", "refuse") as refused,
        bench.started("waiting", "--if-building", "wait") as waiting,
    ):
        assert refused.wait(60) == 5
        said = bench.said("refused", "err")
        assert said.startswith("millstream: another run builds corpus/pages@dev at root/corpus/pages/dev: ")
        assert f": {HOLDER}, process {first.pid} on " in said
        soon(lambda: "waiting: corpus/pages@dev" in bench.said("waiting"), "the third run waits")
        bench.gate.touch()
        assert (first.wait(60), waiting.wait(60)) == (0, 0)
    assert "corpus/pages@dev: done already" in bench.said("waiting")
    assert "done already" not in bench.said("first")
    assert durable(bench.root) == expected


def test_a_killed_run_is_not_waited_for(bench: Bench, expected: dict[str, bytes]) -> None:
    with bench.first() as first, bench.started("second", "--if-building", "wait") as second:
        soon(lambda: "waiting: corpus/pages@dev" in bench.said("second"), "the second run waits")
        first.kill()
        assert second.wait(30) == 0, "sooner than silence would tell"
        bench.gate.touch()  # for its worker, an orphan now
    assert durable(bench.root) == expected


def test_a_stopped_run_commits_nothing_more(bench: Bench, expected: dict[str, bytes]) -> None:
    """At most it writes, with the same bytes again, files that are named for their content."""
    with bench.first() as first:
        os.killpg(first.pid, signal.SIGSTOP)
        with bench.started("second") as second:
            assert second.wait(60) == 0
        settled = [path for path in expected if not path.startswith(("corpus/pages/dev/data", "corpus/pages/dev/rej"))]
        times = {path: (bench.root / path).stat().st_mtime_ns for path in settled}
        bench.gate.touch()
        os.killpg(first.pid, signal.SIGCONT)
        assert first.wait(60) == 5
    assert "another run has taken over root/corpus/pages/dev/run" in bench.said("first", "err")
    assert durable(bench.root) == expected
    assert {path: (bench.root / path).stat().st_mtime_ns for path in settled} == times


def test_a_run_that_its_scheduler_ends_lets_go(bench: Bench) -> None:
    with bench.first() as first:
        assert bench.beat.read_bytes() != b"ended"
        started = time.monotonic()
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 130
        assert time.monotonic() - started < 30, "not only when the gate opens"
    assert bench.beat.read_bytes() == b"ended"
    assert "run again to go on" in bench.said("first", "err")


def test_one_artifact_alone(bench: Bench, expected: dict[str, bytes]) -> None:
    """From inputs that are there as the recipe makes them, and without a report."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(bench.folder)
        patch.syspath_prepend(str(bench.folder))
        patch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{bench.folder}")

        def run(*words: str) -> tuple[int, str, str]:
            said = millstream("run", "two.yaml", "--root", "root", "--workers", "1", *words)
            return said.code, said.out, " ".join(said.err.split())

        assert run("--alone")[0::2] == (2, "millstream: --alone builds one artifact; name it with --only")
        code, _, err = run("--only", "corpus/pages", "--alone")
        assert (code, err) == (
            2,
            "millstream: --alone: corpus/pages is made from what is not done: corpus/extracted (not made yet); make it "
            "with `millstream run two.yaml --only corpus/extracted`, with the same --root, --version, --limit and "
            "--set",
        )
        for name in ("corpus/extracted", "corpus/pages", "corpus/deduped"):
            code, out, _ = run("--only", name, "--alone")
            assert (code, out.count("@dev: "), out.count(f"{name}@dev: ")) == (0, 1, 1)
        assert durable(bench.root) == expected
        assert not (bench.root / "report.html").exists()
        code, _, err = run("--only", "corpus/deduped", "--alone", "--limit", "5")
        assert (code, "corpus/pages (after corpus/extracted)" in err) == (2, True)
        assert json.loads((bench.root / "corpus/pages/dev/manifest.json").read_text())["version"] == "dev"
