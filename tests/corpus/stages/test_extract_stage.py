"""Extract: a row in, the same row out, with its text or the word for why there is none."""

from typing import get_args

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from corpus.html.tiers import Tier
from corpus.schema import DOCUMENT, MARKS, align
from corpus.stage import fuse
from corpus.stages.extract import FOUND, Extract

STORY = "The mill stands by the stream and grinds the corn of the whole valley."


def batch(*pages: tuple[bytes | None, str | None]) -> pa.RecordBatch:
    payloads, content_types = zip(*pages, strict=True) if pages else ((), ())
    return pa.RecordBatch.from_arrays(
        [
            pa.array(range(len(pages)), pa.int64()),
            pa.array(payloads, pa.binary()),
            pa.array(content_types, pa.string()),
        ],
        names=["row", "payload", "content_type"],
    )


def extracted(*pages: tuple[bytes | None, str | None], stage: Extract | None = None) -> list[tuple[str | None, ...]]:
    """Text, charset and drop reason of each page."""
    (out,) = (stage or Extract()).open()(batch(*pages))
    assert out.column("row").to_pylist() == list(range(len(pages)))
    columns = (out.column(name).to_pylist() for name in ("text", "charset", "drop_reason"))
    return list(zip(*columns, strict=True))


def test_each_outcome() -> None:
    html = f"<html><body><p>{STORY}</p></body></html>".encode()
    assert extracted(
        (html, "text/html; charset=utf-8"),
        ("<p>Привет, мир</p>".encode("koi8-r"), "text/html; charset=koi8-r"),
        (b"<p>kept  as it is</p>\n", "Text/Plain; charset=utf-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00", "image/png"),
        (b"<html><script>run()</script></html>", None),
        (b" \n", "text/plain"),
        (None, None),
    ) == [
        (STORY, "utf-8", None),
        ("Привет, мир", "koi8-r", None),
        ("<p>kept  as it is</p>\n", "utf-8", None),
        (None, None, "bad_charset"),
        (None, "utf-8", "no_text"),
        (None, "utf-8", "no_text"),
        (None, "utf-8", "no_text"),
    ]


def test_tiers() -> None:
    html = f"<title>Mill</title><nav>Home</nav><main><p>{STORY * 5}</p></main>"
    pages = (html.encode(), None), (b"kept  as it is", "text/plain"), (b"<title>Mill</title><script>run()", None)
    texts = {tier: [text for text, *_ in extracted(*pages, stage=Extract(tier=tier))] for tier in get_args(Tier)}
    assert texts == {
        "fast": [STORY * 5, "kept  as it is", None],
        "best": [STORY * 5, "kept  as it is", None],
        "resiliparse": [STORY * 5, "kept  as it is", None],
        "text": [f"Mill\nHome\n{STORY * 5}", "kept  as it is", None],
    }


def test_too_large_is_dropped_and_not_cut() -> None:
    stage = Extract(max_text_chars=5)
    assert extracted((b"<p>12345", None), (b"<p>123456", None), stage=stage) == [
        ("12345", "utf-8", None),
        (None, "utf-8", "too_large"),
    ]


def test_batch_of_no_rows() -> None:
    assert extracted() == []


@given(st.lists(st.tuples(st.binary(max_size=60), st.sampled_from([None, "text/html", "text/plain"])), max_size=5))
def test_each_row_has_a_text_or_a_reason(pages: list[tuple[bytes, str | None]]) -> None:
    for text, _, reason in extracted(*pages):
        assert (text is None) == (reason is not None)
        assert reason is None or reason in Extract().reasons
        assert text is None or text.strip()


def test_declared_columns_are_what_comes_out_of_a_pass() -> None:
    schema = pa.schema([*DOCUMENT, *Extract().reads])
    rows = align(batch((b"<p>one", None), (b"<p>two", None)), schema)
    step, after = fuse([Extract()], schema)
    (out,) = step(rows)
    assert out.schema.equals(after)
    assert after.names == [*DOCUMENT.names, *FOUND.names[1:]]
    assert out.column("text").to_pylist() == ["one", "two"]
    assert set(MARKS.names) <= set(Extract().writes.names)


@pytest.mark.parametrize(
    "field", [{"tier": "lynx"}, {"tier": "resiliparse", "output": "markdown"}, {"max_text_chars": 0}]
)
def test_wrong_settings_are_refused_when_made(field: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match='stage "extract"'):
        Extract(**field)  # type: ignore[arg-type]
