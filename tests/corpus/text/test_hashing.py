"""Keys of texts and draws by id: pinned values, uniformity, independence of salts."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus.text.hashing import exact_key, share, shares

IDS = [f"{i:032x}" for i in range(20_000)]


@given(st.text(), st.text())
def test_keys_are_equal_for_equal_texts_only(one: str, other: str) -> None:
    assert (exact_key(one) == exact_key(other)) == (one == other)


def test_the_key_is_blake2b_and_takes_the_text_as_it_is() -> None:
    assert exact_key("") == hashlib.blake2b(b"", digest_size=16).hexdigest()
    assert exact_key("é\n") == hashlib.blake2b("é\n".encode(), digest_size=16).hexdigest()
    assert len({exact_key(text) for text in ("A", "a", "a ", "a\n", "e\u0301", "\u00e9")}) == 6


def test_shares_never_change() -> None:
    """A release that moved them would move documents across the hold-out."""
    first = hashlib.blake2b(b"holdout 1\n" + IDS[7].encode(), digest_size=8).digest()
    assert share(IDS[7], "holdout 1") == (int.from_bytes(first, "big") >> 11) * 2.0**-53
    assert share("a", "b") == 0.8303362100171903


@given(st.text(), st.text())
def test_shares_are_below_one(document_id: str, salt: str) -> None:
    assert 0 <= share(document_id, salt) < 1


def test_shares_are_uniform() -> None:
    """Kolmogorov and Smirnov's distance from the uniform; its 99.9 % bound is 1.95 / sqrt(n)."""
    draws = np.sort(shares(IDS, "mix 1"))
    assert np.abs(draws - np.arange(len(IDS)) / len(IDS)).max() < 1.95 / np.sqrt(len(IDS))


def test_salts_draw_independently() -> None:
    one, other = shares(IDS, "holdout 1"), shares(IDS, "holdout 2")
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(IDS))


def test_shares_are_each_ids_share() -> None:
    assert shares(IDS[:9], "x").tolist() == [share(one, "x") for one in IDS[:9]]
    assert shares([], "x").shape == (0,)
