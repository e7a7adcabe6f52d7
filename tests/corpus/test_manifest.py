"""A manifest says the same after a trip through its file, and its sums are those of its tally."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.canonical import canonical_json, fingerprint
from corpus.errors import DataError
from corpus.manifest import FileInfo, Manifest, ShardInfo, Tally, summed

COUNT = st.integers(0, 2**40)
TALLY = st.builds(
    lambda source, mark, documents, text_bytes, copies: Tally(source, *mark, documents, text_bytes, copies),
    st.sampled_from(["web", "wiki"]),
    st.sampled_from([(None, None), ("c4", "too_short"), ("guard", "extractor_crash")]),
    COUNT,
    COUNT,
    COUNT,
)


def manifest(tally: tuple[Tally, ...] = ()) -> Manifest:
    files = {"data": FileInfo("data/00000-0.parquet", 5, "ab", 3, "cd"), "rejects": FileInfo("r", 1, "ef")}
    shards = (ShardInfo(0, files), ShardInfo(7, files))
    recipe = {"share": 0.05, "keep": ["en", "no"], "url": "http://ü.example/"}
    return Manifest("corpus/pages", "dev", "corpus", "f" * 64, recipe, {"a@dev": "1"}, {"read": "x"}, tally, shards)


@given(st.lists(TALLY, max_size=6))
def test_there_and_back(tallies: list[Tally]) -> None:
    one = manifest(summed(tallies))
    data = one.to_json()
    again = Manifest.from_json(data, "here")
    assert again == one
    assert again.to_json() == data
    sums = json.loads(data)["tally"]
    assert sums["read"] == sums["kept"] + sums["dropped"] == sum(t.documents for t in tallies)
    assert sums["dropped"] == sum(n for reasons in one.dropped().values() for n in reasons.values())
    assert sums["kept_rows"] == sum(t.documents + t.copies for t in tallies if t.drop_reason is None)
    assert sum(n for _, n in one.kept_by_source().values()) == one.kept_bytes


@given(st.lists(TALLY, max_size=8), st.randoms())
def test_sums_do_not_depend_on_order_or_grouping(tallies: list[Tally], draw: object) -> None:
    shuffled = sorted(tallies, key=lambda _: draw.random())  # type: ignore[attr-defined]
    assert summed(shuffled) == summed(tallies) == summed([*summed(tallies[:3]), *summed(tallies[3:])])


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"tally": 3}', b'"x"', b"\xff\xfe", b'{"tally": {"rows": [[]]}}'])
def test_what_is_no_manifest_is_a_data_error(data: bytes) -> None:
    with pytest.raises(DataError, match="here is no manifest"):
        Manifest.from_json(data, "here")


@pytest.mark.parametrize("key", ["read", "kept", "dropped", "kept_rows", "kept_bytes"])
def test_a_sum_that_is_not_its_rows_is_refused(key: str) -> None:
    tally = (Tally("web", None, None, 3, 30), Tally("web", "c4", "too_short", 2, 5))
    raw = json.loads(manifest(tally).to_json())
    raw["tally"][key] += 1
    with pytest.raises(DataError, match=f"here: tally.{key} is not"):
        Manifest.from_json(json.dumps(raw).encode(), "here")
    del raw["tally"][key]
    with pytest.raises(DataError, match=f"tally.{key}"):
        Manifest.from_json(json.dumps(raw).encode(), "here")


def test_reasons_that_are_not_those_of_the_rows_are_refused() -> None:
    raw = json.loads(manifest((Tally("web", "c4", "too_short", 2, 5),)).to_json())
    raw["tally"]["reasons"]["c4"] = {"too_long": 2}
    with pytest.raises(DataError, match=r"tally\.reasons"):
        Manifest.from_json(json.dumps(raw).encode(), "here")


def test_a_manifest_with_a_field_too_many_is_refused() -> None:
    raw = json.loads(manifest().to_json())
    for change in ({"colour": 1}, {"shards": [3]}, {"shards": [{"shard": 1, "files": []}]}):
        with pytest.raises(DataError):
            Manifest.from_json(json.dumps(raw | change).encode(), "here")


def test_one_way_to_write_a_value_down() -> None:
    assert canonical_json({"b": 1, "a": "ü"}) == '{\n  "a": "ü",\n  "b": 1\n}\n'.encode()
    nested = {"of": [{"b": [1, 2], "a": {}}, 1.5], "tally": Tally("web", None, None, 1, 2), "empty": []}
    lines = canonical_json(nested).decode().splitlines()
    assert lines[1:5] == ['  "empty": [],', '  "of": [', '    {"a": {}, "b": [1, 2]},', "    1.5"]
    assert json.loads(canonical_json(nested))["tally"]["documents"] == 1
    assert fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1}) != fingerprint({"a": 2, "b": 1.0})
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical_json(value)
