"""Neutral texts: those that no arm was made from, from files that the user points at.

.jsonl: a `text` a line. Any other file is one text. Texts are cut at ends of lines into documents of about so many
characters: a novel is then many, and none begins with the title page. Both may be compressed: .gz, .zst.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from corpus.errors import ConfigError

CODECS = {".gz": "gzip", ".zst": "zstd"}
MAX_BYTES = 1 << 30


def documents(paths: Sequence[Path], chars: int) -> Iterator[tuple[str, str]]:
    """(id, text) of each document; ConfigError for a file that cannot be read."""
    for at, path in enumerate(paths):
        whole = _read(path)
        for line, text in _lines(path, whole) if ".jsonl" in path.suffixes else [(1, whole)]:
            for number, piece in enumerate(_pieces(text, chars)):
                yield f"{at}:{path.name}:{line}:{number}", piece


def _read(path: Path) -> str:
    try:
        with pa.input_stream(str(path), compression=CODECS.get(path.suffix)) as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{path}: above {MAX_BYTES:,} bytes of text; a sample of it is enough to measure on")
        return str(content.decode("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"evaluation.neutral: {path} cannot be read as UTF-8 text: {error}") from error


def _lines(path: Path, text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)["text"]
            said.encode()  # JSON can spell half of a surrogate pair, which is no character
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f'{path}:{number} is no line of JSON with a "text": {error}') from error
        yield number, said


def _pieces(text: str, chars: int) -> Iterator[str]:
    piece = ""
    for line in text.splitlines(keepends=True):
        piece += line
        if len(piece) >= chars:
            yield piece
            piece = ""
    if piece.strip():
        yield piece
