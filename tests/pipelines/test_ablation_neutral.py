"""Neutral texts: pieces put together are the file, and what cannot be read is told with its place."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from pipelines.ablation.neutral import documents

TEXT = "One line.\nAnother line, which is longer.\n\nThe last one has no end"
LINES = st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=12)


def pieces(path: Path, chars: int = 20) -> list[str]:
    found = list(documents([path], chars))
    assert len({id_ for id_, _ in found}) == len(found)
    return [text for _, text in found]


def test_a_text_is_cut_at_ends_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "novel.txt"
    path.write_text(TEXT)
    assert pieces(path) == ["One line.\nAnother line, which is longer.\n", "\nThe last one has no end"]
    assert pieces(path, 5) == ["One line.\n", "Another line, which is longer.\n", "\nThe last one has no end"]
    assert pieces(path, 1000) == [TEXT]


@given(lines=LINES, chars=st.integers(1, 50))
def test_pieces_put_together_are_the_text(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], chars: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    text = "\n".join(lines)
    path.write_bytes(text.encode())
    found = pieces(path, chars)
    whole = "".join(found)
    assert text.startswith(whole)
    assert not text[len(whole) :].strip(), "only a blank end is left out"
    assert all(len(piece) >= chars for piece in found[:-1])


@given(texts=LINES)
def test_lines_of_json_are_texts(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Line separators that JSON does not escape are text, and do not end the line."""
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes("".join(json.dumps({"text": text}, ensure_ascii=False) + "\r\n" for text in texts).encode())
    assert pieces(path, 1000) == [text for text in texts if text.strip()]


def test_packed_files_are_the_same(tmp_path: Path) -> None:
    plain, packed, other = (tmp_path / f"a.jsonl{packing}" for packing in ("", ".gz", ".zst"))
    content = json.dumps({"text": TEXT}).encode()
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    with pa.CompressedOutputStream(str(other), "zstd") as file:
        file.write(content)
    assert pieces(plain) == pieces(packed) == pieces(other)


def test_files_of_one_name_have_ids_of_their_own(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "a.txt" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(TEXT)
    assert len({id_ for id_, _ in documents(paths, 20)}) == 4


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"caf\xe9", "a.txt cannot be read as UTF-8 text"),
        ("a.txt.gz", b"no gzip", "a.txt.gz cannot be read as UTF-8 text"),
        ("a.jsonl", b'{"text": "a"}\n{"title": "b"}\n', 'a.jsonl:2 is no line of JSON with a "text"'),
        ("a.jsonl", b'{"text": "half', 'a.jsonl:1 is no line of JSON with a "text"'),
        ("a.jsonl", b'["text"]', 'a.jsonl:1 is no line of JSON with a "text"'),
        ("a.jsonl", b'{"text": 17}', 'a.jsonl:1 is no line of JSON with a "text"'),
        ("a.jsonl", b'{"text": "\\ud800"}', 'a.jsonl:1 is no line of JSON with a "text"'),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        pieces(tmp_path / name)
    assert said in str(caught.value)
