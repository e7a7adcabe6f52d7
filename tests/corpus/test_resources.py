"""Pinned files: what is shipped is what is pinned, and what is not is refused with a way to mend it."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from corpus.errors import ResourceError
from corpus.resources import BADWORDS, DATA, EXTRACTOR, LID176, Resource

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("resource", [LID176, BADWORDS, EXTRACTOR], ids=lambda resource: resource.name)
def test_shipped_file_is_the_pinned_one_and_names_its_licence(resource: Resource) -> None:
    path = resource.path()
    licence = path.with_name(f"{path.name}.LICENSE.txt").read_text("utf-8")
    family, _, version = resource.licence.rpartition("-")
    assert resource.source in licence
    assert version in licence
    assert "Attribution" in licence
    assert ("Share-Alike" in licence) == family.endswith("SA")


def test_every_shipped_file_is_pinned_and_packaged() -> None:
    shipped = {path.name for path in DATA.iterdir() if not path.name.endswith(".LICENSE.txt")}
    assert shipped == {LID176.file, BADWORDS.file, EXTRACTOR.file}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "data/*" in project["tool"]["setuptools"]["package-data"]["corpus"]
    assert "corpus/data/*.LICENSE.txt" in project["project"]["license-files"]


def test_bad_words_hold_every_word_of_the_source(shared_data: Path) -> None:
    words = json.loads(BADWORDS.path().read_text("utf-8"))
    source = shared_data / "reference" / "ldnoobw"
    files = [path for path in source.iterdir() if not path.suffix]
    assert words == {
        path.name: [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()] for path in files
    }


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"another model")
    with pytest.raises(ResourceError, match=r"is not the pinned file: .*model\.bin has sha256 .*; reinstall"):
        replace(LID176, file=str(path)).path()


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r'resource "lid176" cannot be read: .*No such file.*take the file from'):
        replace(LID176, file=str(tmp_path / "absent.bin")).path()


def test_sha256_is_checked_once_in_a_process(tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_bytes(BADWORDS.path().read_bytes())
    resource = replace(BADWORDS, file=str(path))
    assert resource.path() == path
    path.unlink()
    assert resource.path() == path
