"""Archives in and artifacts out on S3 (moto's server): the same bytes as on a disk."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import s3fs
from slow_store import aws_environment, moto

RECIPE = """
name: on_s3
seed: 3
sources:
  web: {{format: warc, paths: ["{paths}"]}}
corpus:
  language: {{keep: [en, de, fr, es], min_score: 0.65}}
  rules: [{{rule: c4, dialect: tfds-3}}]
  dedup: [{{method: url}}, {{method: exact}}, {{method: minhash}}]
  holdout: {{share: 0.1}}
  split_bytes: 400_000
  shard_bytes: 100_000
mix: {{weights: {{web: 1.0}}, budget: {{bytes: 300_000}}, max_epochs: 4}}
"""


@pytest.fixture
def store(sample: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3fs.S3FileSystem]:
    """A bucket `corpora` with the sample in it, on a server of our own."""
    with moto() as port:
        yield from bucket(port, sample, monkeypatch)


def bucket(port: int, sample: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[s3fs.S3FileSystem]:
    """A file system on the server, with the sample in its bucket."""
    for name, value in aws_environment(port).items():
        monkeypatch.setenv(name, value)
    fs = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    fs.mkdir("corpora")
    fs.put_file(str(sample), f"corpora/in/{sample.name}")
    yield fs


def millstream(recipe: Path, root: str) -> list[str]:
    run = ["run", str(recipe), "--root", root, "--workers", "2", "--limit", "160"]
    return [sys.executable, "-m", "pipelines", *run]


def on_disk(root: Path) -> dict[str, bytes]:
    wanted = ("/data/", "/rejects/", "/commits/", "/manifest.json")
    files = {f"/{path.relative_to(root)}": path for path in root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in sorted(files.items()) if any(part in name for part in wanted)}


def on_s3(fs: s3fs.S3FileSystem, root: str) -> dict[str, bytes]:
    wanted = ("/data/", "/rejects/", "/commits/", "/manifest.json")
    names = sorted(name.removeprefix(root) for name in fs.find(root))
    return {name: fs.cat_file(root + name) for name in names if any(part in name for part in wanted)}


def test_same_bytes_as_on_a_disk(
    store: s3fs.S3FileSystem, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inputs by etag rather than by sha256 give other fingerprints; the rows, and so the data files, are the same."""
    monkeypatch.chdir(tmp_path)  # where a run whose root is elsewhere keeps its scratch
    local, remote = tmp_path / "local.yaml", tmp_path / "remote.yaml"
    local.write_text(RECIPE.format(paths=sample))
    remote.write_text(RECIPE.format(paths="s3://corpora/in/*.warc.gz"))
    done = subprocess.run(millstream(local, str(tmp_path / "root")), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    process = subprocess.Popen(millstream(remote, "s3://corpora/out"), start_new_session=True)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGKILL)  # wherever it is: the next run goes on from there
    process.wait()
    done = subprocess.run(millstream(remote, "s3://corpora/out"), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    again = subprocess.run(millstream(remote, "s3://corpora/out"), check=True, capture_output=True, text=True)
    assert again.stdout.count("done already") == 5

    expected, found = on_disk(tmp_path / "root"), on_s3(store, "corpora/out")
    data = {name for name in expected if "/data/" in name or "/rejects/" in name}
    assert len(data) > 20
    assert {name: found[name] for name in found if "/data/" in name or "/rejects/" in name} == {
        name: expected[name] for name in data
    }
    for artifact in ("extracted", "pages", "deduped", "heldout", "mixture"):
        name = f"/corpus/{artifact}/dev/manifest.json"
        assert json.loads(found[name])["tally"] == json.loads(expected[name])["tally"]
    verified = subprocess.run(
        [sys.executable, "-m", "pipelines", "verify", "--root", "s3://corpora/out"], check=False, capture_output=True
    )
    assert verified.returncode == 0
