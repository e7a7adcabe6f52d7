"""A small archive of real pages with planted duplicates, a recipe over it, and the command line as a function."""

import contextlib
import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq

from corpus.archive.records import read_records
from pipelines import cli

N_RECORDS = 90
RECIPE = """
name: small
seed: 17
sources:
  web: {format: warc, paths: ["web/*.warc.gz"]}
corpus:
  extract: {tier: fast}
  language: {keep: [en, de, fr, es], min_score: 0.65}
  rules: [{rule: c4, dialect: tfds-3}]
  dedup: [{method: url}, {method: exact}, {method: minhash, ngram: 5, bands: 14, rows: 8}]
  holdout: {share: 0.1}
  split_bytes: 150_000
  shard_bytes: 40_000
mix: {weights: {web: 1.0}, budget: {bytes: 500_000}, max_epochs: 4}
tokenizer: {model: bpe-bytes, vocab_size: 600}
training: {model: tiny-decoder, objective: causal, context: 64, steps: 4, batch_rows: 2}
"""
SCRIPT = "<script>alert(1)</script>"


@dataclass(frozen=True)
class Said:
    """What a command line came to."""

    code: int
    out: str
    err: str


def millstream(*words: object) -> Said:
    """Runs the command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["millstream", *map(str, words)]
    code: Any = 0
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
    return Said(code, out.getvalue(), err.getvalue())


def outside(*words: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own."""
    command = [sys.executable, "-m", "pipelines", *map(str, words)]
    here = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(here)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **more)


def warc(url: str, body: bytes, date: str = "2025-01-01T00:00:00Z", *head: str) -> bytes:
    """One response record in a gzip member of its own."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8", *head, "", ""]
    content = "\r\n".join(lines).encode() + body
    fields = f"WARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: {date}\r\n"
    fields += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(content)}\r\n"
    return gzip.compress(f"WARC/1.0\r\n{fields}\r\n".encode() + content + b"\r\n\r\n", mtime=0)


def archive(path: Path, texts: Sequence[str]) -> Path:
    """An archive with a page for each text."""
    pages = [f"<html><body><p>{text}</p></body></html>".encode() for text in texts]
    path.write_bytes(b"".join(warc("http://a.example/", page) for page in pages))
    return path


def first_records(sample: Path, n_records: int) -> bytes:
    """The bytes of the first records of an archive that has one in each member."""
    data = sample.read_bytes()
    records = read_records(io.BytesIO(data), 0, len(data), max_bytes=2**24)
    return data[: next(islice(records, n_records, None)).offset]


NOUNS = ("page", "printer", "window", "garden", "kernel", "letter", "picture", "teacher", "river", "archive")


def prose(subject: str, n_sentences: int = 40) -> str:
    """English sentences on a subject, no two alike."""
    return " ".join(
        f"The {subject} and the {NOUNS[n % 10]} of the {subject} were shown to the {subject} {NOUNS[n // 10 % 10]} "
        f"before the {subject} had been seen by {n + 2} people."
        for n in range(n_sentences)
    )


def planted() -> bytes:
    """A page under two URLs, one with a word changed, two captures of one URL, and a page that shows a script."""
    body = f"<p>{prose('castle')}</p>"
    shown = SCRIPT.replace("<", "&lt;")
    pages = [
        warc("http://planted.example/first", body.encode()),
        warc("http://planted.example/exact", body.encode()),
        warc("http://planted.example/near", body.replace("by 9 people", "by 9 visitors").encode()),
        warc("http://planted.example/twice", f"<p>{prose('harbour')}</p>".encode()),
        warc("http://planted.example/twice", f"<p>{prose('forest', 50)}</p>".encode(), "2025-02-01T00:00:00Z"),
        warc("http://planted.example/script", f"<p>The shortest one is {shown} here. {prose('script')}</p>".encode()),
    ]
    return b"".join(pages)


def write_input(folder: Path, sample: Path) -> Path:
    """The archive and the recipe in a folder; the recipe's path."""
    (folder / "web").mkdir(parents=True)
    (folder / "web" / "real.warc.gz").write_bytes(first_records(sample, N_RECORDS))
    (folder / "web" / "planted.warc.gz").write_bytes(planted())
    recipe = folder / "small.yaml"
    recipe.write_text(RECIPE)
    return recipe


@dataclass(frozen=True)
class Finished:
    """A finished run of the whole line."""

    recipe: Path
    root: Path
    said: str

    def manifest(self, name: str) -> Any:
        """The manifest as it is stored."""
        return json.loads((self.root / name / "dev" / "manifest.json").read_text())

    def rows(self, name: str, role: str) -> list[dict[str, Any]]:
        """The rows of a corpus: "data" or "rejects"."""
        return [row for file in self.files(name, role) for row in pq.read_table(file).to_pylist()]

    def files(self, name: str, role: str) -> list[Path]:
        """The files that an artifact has in a role, shard by shard."""
        return [self.root / name / "dev" / shard["files"][role]["file"] for shard in self.manifest(name)["shards"]]


def durable(root: Path) -> dict[str, bytes]:
    """What must not depend on workers, crashes and places: all but the record of the run, leases, logs, the report."""
    skipped = {"run.json", "report.html", "digests.json", "recipe.json"}
    return {path: (root / path).read_bytes() for path in _paths(root) if Path(path).name not in skipped}


def _paths(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and "run" not in parts and not any(part.startswith(".") for part in parts):
            yield "/".join(parts)
