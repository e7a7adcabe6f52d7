"""MinHash: the compiled keys equal to the plain ones, and recall and error on real near-duplicates."""

import csv
import json
from dataclasses import FrozenInstanceError, replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text.minhash import MinHash, plain_band_keys
from corpus.text.shingles import shingles

DEFAULT = MinHash()


def arrow_like(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    parts = [text.encode() for text in texts]
    return np.cumsum([0, *map(len, parts)]), np.frombuffer(b"".join(parts), np.uint8)


def documents(path: Path) -> dict[str, str]:
    with pa.input_stream(str(path), compression="zstd") as lines:
        rows = [json.loads(line) for line in lines.read().decode().splitlines()]
    return {row["id"]: row["text"] for row in rows}


def shingle_sets(texts: list[str]) -> list[set[int]]:
    places, hashes = shingles(*arrow_like(texts), DEFAULT.ngram)
    return [set(hashes[start:end].tolist()) for start, end in pairwise(places)]


PARAMETERS = st.builds(
    MinHash,
    ngram=st.integers(1, 6),
    bands=st.integers(1, 5),
    rows=st.integers(1, 5),
    seed=st.integers(0, 2**40),
)


@given(st.lists(st.text("ab漢 .é", max_size=30), max_size=4), PARAMETERS)
@settings(deadline=None)
def test_compiled_keys_are_the_plain_ones(texts: list[str], minhash: MinHash) -> None:
    keys, has_words = minhash.band_keys(*arrow_like(texts))
    plain = [plain_band_keys(text, minhash) for text in texts]
    assert [row.tolist() if ok else None for row, ok in zip(keys, has_words, strict=True)] == plain


def test_keys_never_change() -> None:
    """Pinned: a change here is a change of `BandKeys.version`."""
    keys = plain_band_keys("The quick brown fox jumps over the lazy dog", MinHash(bands=2, rows=3))
    assert keys == [17567629631692427426, 3709875673956819610]


def test_keys_depend_on_the_text_alone() -> None:
    texts = [f"word{i} and some more words {i % 3}" for i in range(20)]
    offsets, data = arrow_like(texts)
    together, _ = DEFAULT.band_keys(offsets, data)
    assert np.array_equal(together[5:9], DEFAULT.band_keys(offsets[5:10], data)[0])
    assert np.array_equal(together[5:9], DEFAULT.band_keys(*arrow_like(texts[5:9]))[0])


def test_case_and_punctuation_do_not_tell_texts_apart_but_order_does() -> None:
    keys, _ = DEFAULT.band_keys(
        *arrow_like(["one, two — THREE four five", "One two three; four\nfive!", "two one 3 4 5"])
    )
    assert np.array_equal(keys[0], keys[1])
    assert not (keys[0] == keys[2]).any()


def test_texts_without_words_have_no_keys() -> None:
    _, has_words = DEFAULT.band_keys(*arrow_like(["", "...", "a", "。", " 漢"]))
    assert has_words.tolist() == [False, False, True, False, True]


def test_keys_of_different_bands_do_not_meet() -> None:
    keys, _ = MinHash(ngram=1, bands=50, rows=1).band_keys(*arrow_like(["a", "b a", "a c"]))
    assert all(len(set(row)) == 50 for row in keys.tolist())
    columns = [set(column) for column in keys.T.tolist()]
    assert not any(a & b for a, b in combinations(columns, 2))


def test_permutations_are_odd_distinct_and_seeded() -> None:
    factors, summands = DEFAULT.permutations()
    assert factors.shape == summands.shape == (112,)
    assert (factors % 2 == 1).all()
    assert len({*factors.tolist(), *summands.tolist()}) == 224
    assert not set(factors.tolist()) & set(MinHash(seed=2).permutations()[0].tolist())


def test_threshold_and_recall_by_hand() -> None:
    assert DEFAULT.threshold == pytest.approx(0.719, abs=5e-4)
    assert DEFAULT.recall(0.8) == pytest.approx(1 - (1 - 0.8**8) ** 14)
    assert (DEFAULT.recall(0.0), DEFAULT.recall(1.0)) == (0.0, 1.0)


@pytest.mark.parametrize("wrong", [{"ngram": 0}, {"bands": 0}, {"rows": -1}, {"seed": -1}])
def test_wrong_parameters_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"minhash {next(iter(wrong))} is"):
        replace(DEFAULT, **wrong)


def test_parameters_are_a_value() -> None:
    assert MinHash(bands=14) == DEFAULT
    assert hash(MinHash(seed=1)) == hash(DEFAULT)
    with pytest.raises(FrozenInstanceError):
        DEFAULT.bands = 3  # type: ignore[misc]


def test_revisions_are_found_as_often_as_the_curve_says(shared_data: Path) -> None:
    """Real revisions of documents, with the exact Jaccard as others computed it (lower-cased \\w+ 5-grams)."""
    folder = shared_data / "neardup/eip-revisions"
    texts = documents(folder / "docs.jsonl.zst")
    with (folder / "pairs.tsv").open(encoding="utf-8") as lines:
        pairs = [(row["a"], row["b"], float(row["jaccard_word5"])) for row in csv.DictReader(lines, delimiter="\t")]
    at = {name: i for i, name in enumerate(texts)}
    left, right = (np.array([at[pair[side]] for pair in pairs]) for side in (0, 1))
    exact = np.array([pair[2] for pair in pairs])
    sets = shingle_sets(list(texts.values()))
    ours = np.array([len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in zip(left, right, strict=True)])
    assert np.abs(ours - exact).max() < 0.001

    minima, _ = DEFAULT.signatures(*arrow_like(list(texts.values())))
    error = (minima[left] == minima[right]).mean(axis=1) - ours
    assert abs(error.mean()) < 0.005
    assert np.sqrt((error**2).mean()) < 1.2 * np.sqrt((ours * (1 - ours) / 112).mean())

    keys, _ = DEFAULT.band_keys(*arrow_like(list(texts.values())))
    found = (keys[left] == keys[right]).any(axis=1)
    chance = np.array([DEFAULT.recall(s) for s in ours])
    assert found[ours >= 0.8].mean() > 0.99
    for low, high in ((0.0, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.1)):
        here = (ours >= low) & (ours < high)
        spread = np.sqrt((chance[here] * (1 - chance[here])).sum())
        assert abs(found[here].sum() - chance[here].sum()) < 3 * spread + 1


@pytest.mark.parametrize("n_articles", [100, 1000])
def test_plagiarised_articles_are_found_and_no_others(shared_data: Path, n_articles: int) -> None:
    folder = shared_data / "neardup/minhash-articles"
    texts = documents(folder / f"articles_{n_articles}.jsonl.zst")
    gold = (folder / f"articles_{n_articles}.truth.tsv").read_text().splitlines()
    keys, _ = DEFAULT.band_keys(*arrow_like(list(texts.values())))
    buckets: dict[int, list[str]] = {}
    for name, row in zip(texts, keys.tolist(), strict=True):
        for key in row:
            buckets.setdefault(key, []).append(name)
    found = {frozenset(pair) for names in buckets.values() for pair in combinations(names, 2)}
    assert found == {frozenset(line.split("\t")) for line in gold}
