"""Examples stay the same from change to change: a digest for each objective and version. Raise the version with it."""

from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from objective_samples import SPECIALS, packed, row_of

from training.objective import Row, noise
from training.objectives import OBJECTIVES, objective

CASES: list[tuple[str, dict[str, Any], str]] = [
    ("causal", {}, "979ca42aca93a389"),
    ("causal", {"document_mask": True}, "55cc3c3cb1f68fa7"),
    ("prefix_lm", {}, "951fe68193366eac"),
    ("prefix_lm", {"document_mask": True}, "0c1d38bfe00258ae"),
    ("masked", {}, "7489fda76b226f22"),
    ("masked", {"document_mask": True}, "e24fc18be2f9f31e"),
    ("masked", {"whole_words": True}, "7921f17a8f2ade46"),
    ("next_sentence", {}, "8742aae2b6fb9bb4"),
    ("next_sentence", {"whole_words": True}, "8742aae2b6fb9bb4"),
    ("roberta", {}, "c036cc4890614cb3"),
    ("roberta", {"document_mask": True}, "4a85ef73d17ff576"),
    ("span_corruption", {}, "0405d488dfa889c4"),
    ("span_corruption", {"document_mask": True}, "70bcbd806631b391"),
    ("independent_sentinels", {}, "1a3c05c439f8b320"),
    ("independent_sentinels", {"document_mask": True}, "c19712c46d4089f1"),
    ("independent_sentinels", {"merge": False}, "77e4f73e7d72ccc2"),
    ("drop_tokens", {}, "994e6647a06cce96"),
    ("drop_tokens", {"document_mask": True}, "cae73f41a831b0b1"),
    ("mass_style", {}, "00687f19163f9db7"),
    ("mass_style", {"document_mask": True}, "6e1fcc46e4427948"),
    ("bert_style", {}, "29d7f6c9a9423baa"),
    ("bert_style", {"document_mask": True}, "01033a788e944d44"),
    ("deshuffle", {}, "a24a3cbc88e09c18"),
    ("deshuffle", {"document_mask": True}, "ce30125cae3c69d5"),
    ("prefix_lm_encoder_decoder", {}, "2dbafc7837ba4927"),
    ("prefix_lm_encoder_decoder", {"document_mask": True}, "73accd1d6206d5ff"),
    ("bart", {}, "ee15c0b687d11312"),
    ("bart", {"document_mask": True}, "5206a1f1291db372"),
    ("bart", {"delete": 0.1, "rotate": 0.5}, "4bd9b7f0847713dc"),
]


def digest(name: str, fields: dict[str, Any]) -> str:
    made = objective(name, specials=SPECIALS, **fields)
    found = sha256(f"{made.name} {made.version}".encode())
    for i in range(3):
        row = row_of(120, i, (30, 31, 90))
        if name == "next_sentence":
            row = Row(row.tokens_S, np.repeat([1, 2, 0], [50, 40, 30]), row.word_starts_S, pair=(50, i % 2 == 0))
        elif not fields.get("document_mask"):
            row = packed(row)
        example = made.draw(row, noise(11, 2, i))
        for key in sorted(example):
            found.update(key.encode() + example[key].astype("<i8").tobytes())
    return found.hexdigest()[:16]


@pytest.mark.parametrize(("name", "fields", "expected"), CASES)
def test_digests(name: str, fields: dict[str, Any], expected: str) -> None:
    assert digest(name, fields) == expected


def test_every_objective_has_one() -> None:
    assert {name for name, *_ in CASES} == set(OBJECTIVES)
