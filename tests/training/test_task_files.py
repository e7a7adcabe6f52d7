"""Rows of evaluation data: forms, packings, names of folders and files, and every way in which a file can be bad."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError, DataError
from training.evaluation import task_files
from training.evaluation.task_files import Row, data_files, plain, rows, split_files, task_folder


def zstd(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


PACK = {"": bytes, ".gz": gzip.compress, ".zst": zstd}


def put(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def row(**values: object) -> Row:
    return Row(Path("dev.jsonl"), 7, values)


@pytest.mark.parametrize("packing", PACK)
def test_each_packing_holds_the_same_rows(tmp_path, packing):
    lines = '{"a": "one\\u2028line", "b": 1}\n\n{"a": "\\"", "b": 2}'
    (first, second) = rows(put(tmp_path / f"dev.jsonl{packing}", PACK[packing](lines.encode())))
    assert (first.values, first.line, first.id) == ({"a": "one\u2028line", "b": 1}, 1, "dev:1")
    assert (second.values, second.line, second.id) == ({"a": '"', "b": 2}, 3, "dev:3")
    table = 'a\tb\r\nsays "x\t1\r\n\u0085\t2\r\n'
    (first, second) = rows(put(tmp_path / f"train.tsv{packing}", PACK[packing](table.encode("utf-8-sig"))))
    assert (first.values, first.id) == ({"a": 'says "x', "b": "1"}, "train:2")
    assert second.values == {"a": "\u0085", "b": "2"}


@given(st.lists(st.text(), min_size=1))
def test_any_text_comes_back_from_json_lines(tmp_path_factory, texts):
    texts = [text.encode(errors="replace").decode() for text in texts]
    path = put(tmp_path_factory.mktemp("any") / "x.jsonl", "".join(json.dumps({"t": t}) + "\n" for t in texts))
    assert [row.text("t") for row in rows(path)] == texts


def test_a_table_without_a_line_of_names(tmp_path):
    path = put(tmp_path / "in_domain_dev.tsv", "gj04\t1\t\tSea rose.\ncj99\t0\t*\tRose sea.\n")
    found = [row.values for row in rows(path, ("source", "label", "star", "sentence"))]
    assert found[0] == {"source": "gj04", "label": "1", "star": "", "sentence": "Sea rose."}
    assert [row["sentence"] for row in found] == ["Sea rose.", "Rose sea."]


def test_lines_of_a_torn_table(tmp_path):
    path = put(tmp_path / "train.tsv", "a\tb\tc\n1\t2\t3\n4\t5\n\t6\n7\t8\t9\n")
    assert [row.values["a"] for row in rows(path, torn=True)] == ["1", "7"]
    with pytest.raises(DataError, match=r"train\.tsv:3: 2 columns where 3 should be \(a, b, c\)"):
        list(rows(path))
    path = put(tmp_path / "dev.tsv", "a\tb\n1\t2\t3\n")
    with pytest.raises(DataError, match=r"dev\.tsv:2: 3 columns where 2 should be"):
        list(rows(path, torn=True))


GOOD = b'{"a": 1}\n' * 2000
BAD = {
    "empty.jsonl": (b"", "no rows; the file is empty"),
    "blank.jsonl": (b"\n\n", "no rows"),
    "names.tsv": (b"a\tb\n", "no rows"),
    "json.jsonl": (b'{"a": 1}\n{"a": \n', r"json\.jsonl:2: broken JSON"),
    "list.jsonl": (b"[1, 2]\n", r"list\.jsonl:1: \[1, 2\] is no JSON object"),
    "deep.jsonl": (b"[" * 200_000, r"deep\.jsonl:1: broken JSON"),
    "digits.jsonl": (b'{"a": ' + b"9" * 5000 + b"}", r"digits\.jsonl:1: broken JSON"),
    "latin.jsonl": (b'{"a": 1}\n{"a": "caf\xe9"}\n', r"latin\.jsonl:2: not UTF-8"),
    "cut.jsonl.gz": (gzip.compress(GOOD)[:-12], r"cut\.jsonl\.gz: cannot be read after line \d+"),
    "plain.jsonl.gz": (GOOD, r"plain\.jsonl\.gz: cannot be read after line 0"),
    "flipped.jsonl.gz": (gzip.compress(GOOD)[:-8] + bytes(8), "cannot be read after line 2000"),
    "cut.jsonl.zst": (zstd(GOOD)[:-5], r"cut\.jsonl\.zst: cannot be read"),
    "plain.jsonl.zst": (GOOD, r"plain\.jsonl\.zst: cannot be read after line 0"),
    "wide.jsonl": (b'{"a": "' + b"x" * (1 << 20) + b'"}', r"wide\.jsonl:1: a line of more than 1,048,576 bytes"),
    "wide.jsonl.gz": (gzip.compress(GOOD + b" " * (1 << 24)), r"wide\.jsonl\.gz:2001: a line of more than"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_say_where(tmp_path, name):
    content, message = BAD[name]
    with pytest.raises(DataError, match=message):
        list(rows(put(tmp_path / name, content)))


def test_a_file_too_large_is_refused_by_what_it_unpacks_to(tmp_path, monkeypatch):
    monkeypatch.setattr(task_files, "MAX_FILE_BYTES", len(GOOD))
    assert len(list(rows(put(tmp_path / "a.jsonl.gz", gzip.compress(GOOD))))) == 2000
    with pytest.raises(DataError, match=r"b\.jsonl\.gz: more than 18,000 bytes"):
        list(rows(put(tmp_path / "b.jsonl.gz", gzip.compress(GOOD + b"{}"))))


def test_columns_of_a_row():
    some = row(premise="p", label="neutral", gold=2, yes=True, score="3.5", list=["a", "b"])
    assert some.text("sentence1", "premise") == "p"
    assert some.index({"neutral": 1, "1": 1}, "label") == 1
    assert some.index({"0": 0, "2": 2}, "gold") == 2
    assert some.index({"0": 0, "1": 1}, "yes") == 1
    assert some.number(0, 5, "score") == 3.5
    assert some.texts("list") == ["a", "b"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda r: r.text("sentence1", "premise"),
            "no column sentence1 or premise; columns here: n, list, half, nan, big",
        ),
        (lambda r: r.text("n"), "column n is 3; it must be text"),
        (lambda r: r.text("half"), r"column half is '\\ud800'; it must be text"),
        (lambda r: r.index({"yes": 1, "no": 0}, "n"), "column n is 3; it must be one of yes, no"),
        (lambda r: r.index({"yes": 1}, "list"), r"column list is \[1, 2\]; it must be one of yes"),
        (lambda r: r.number(0, 5, "nan"), "column nan is nan; it must be a number, 0 to 5"),
        (lambda r: r.number(0, 5, "big"), "it must be a number, 0 to 5"),
        (lambda r: r.number(0, 2.5, "n"), "column n is 3; it must be a number, 0 to 2.5"),
        (lambda r: r.number(0, 2, "list"), "it must be a number"),
        (lambda r: r.texts("list"), r"column list is 1; it must be text"),
        (lambda r: r.texts("n"), "column n is 3; it must be a list of two texts or more"),
    ],
)
def test_a_wrong_column_is_named_with_its_place(ask, message):
    with pytest.raises(DataError, match=message) as caught:
        ask(row(n=3, list=[1, 2], half="\ud800", nan=float("nan"), big=10**400))
    assert str(caught.value).startswith("dev.jsonl:7: ")
    assert str(caught.value).isprintable()


def test_no_error_obeys_what_a_file_says(tmp_path):
    path = put(tmp_path / "x.jsonl", json.dumps({"\x1b[2J": 1, "k" * 5000: "\x1b[0m" * 900}))
    (only,) = rows(path)
    for ask in (lambda: only.text("t"), lambda: only.index({"a": 0}, "k" * 5000)):
        with pytest.raises(DataError) as caught:
            ask()
        said = str(caught.value).replace("k" * 5000, "")
        assert said.isprintable()
        assert len(said) < 500


def test_names_of_folders(tmp_path):
    for name in ("SST-2", "CoLA", "arc_easy", "MNLI"):
        (tmp_path / name).mkdir()
    (tmp_path / "rte").write_text("a file")
    assert plain("SST-2") == plain("sst2") == "sst2"
    assert task_folder(tmp_path, ("sst2",)).name == "SST-2"
    assert task_folder(tmp_path, ("arc-easy",)).name == "arc_easy"
    assert task_folder(tmp_path, ("stsb", "mnli")).name == "MNLI"
    with pytest.raises(ConfigError, match=r"has no folder cols; did you mean CoLA\?|has no folder cols;"):
        task_folder(tmp_path, ("cols",))
    with pytest.raises(
        ConfigError, match=r"no folder MNL; did you mean MNLI\? folders here: CoLA, MNLI, SST-2, arc_easy"
    ):
        task_folder(tmp_path, ("MNL",))
    with pytest.raises(ConfigError, match="no such folder"):
        task_folder(tmp_path / "none", ("cola",))
    (tmp_path / "cola").mkdir()
    with pytest.raises(ConfigError, match="CoLA and cola, which are one task"):
        task_folder(tmp_path, ("cola",))


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train.tsv", "dev.tsv", "test.tsv", "dev_ids.tsv"], {"train": 0, "dev": 1, "test": 2}),
        (["train.jsonl.gz", "val.jsonl"], {"train": 0, "dev": 1}),
        (["msr-para-train.tsv.gz", "msr-para-val.tsv.gz"], {"train": 0, "dev": 1}),
        (["in_domain_train.tsv", "in_domain_dev.tsv", "out_of_domain_dev.tsv"], {"train": 0, "dev": 1}),
        (["train.tsv", "dev_matched.tsv", "dev_mismatched.tsv", "diagnostic.tsv"], {"train": 0, "dev": 1}),
        (["ARC-Easy-Test.jsonl", "ARC-Easy-Dev.jsonl"], {"test": 0, "dev": 1}),
        (["sts.jsonl.zst"], {"all": 0}),
        (["validation.jsonl"], {"dev": 0}),
    ],
)
def test_names_of_files(tmp_path, names, splits):
    for name in (*names, "LICENSE.txt", "readme.train.txt"):
        put(tmp_path / name, "x")
    assert {split: path.name for split, path in split_files(tmp_path).items()} == {
        s: names[n] for s, n in splits.items()
    }


def test_two_files_for_one_split_are_an_error(tmp_path):
    put(tmp_path / "dev.jsonl", "{}")
    put(tmp_path / "valid.tsv", "{}")
    with pytest.raises(ConfigError, match=r"which of dev\.jsonl and valid\.tsv is dev\?"):
        split_files(tmp_path)
    put(tmp_path / "dev.jsonl.gz", "{}")
    with pytest.raises(ConfigError, match=r"has dev\.jsonl and dev\.jsonl\.gz; leave one"):
        data_files(tmp_path)
    with pytest.raises(ConfigError, match=r"no file with evaluation data; its name should end in \.jsonl"):
        data_files(put(tmp_path / "other" / "a.txt", "x").parent)
