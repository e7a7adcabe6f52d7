"""Labels of blocks: from the gold text, from segments, and from trafilatura where the gold is not taught."""

import numpy as np

from corpus.html.learn.examples import examples
from corpus.html.learn.gold import GoldPage

STORY = "The mill stands by the river, and its wheel has turned for two hundred years without a rest. "
PAGE = (
    f"<html><body><nav><a href=/>Home page</a></nav><article><h1>The mill</h1><p>{STORY * 3}</p><p>{STORY * 2}</p>"
    "</article><footer>All rights reserved.</footer></body></html>"
).encode()


def shares(**gold: object) -> list[float]:
    (example,) = examples([GoldPage(**{"uri": "http://a.example/", "host": "a.example", "payload": PAGE} | gold)])  # type: ignore[arg-type]
    return example.shares.tolist()


def test_blocks_in_the_gold_text_are_main_text() -> None:
    assert shares(source="wcxb-dev", text=STORY * 5) == [0, 0, 1, 1, 0]


def test_segments_say_nothing_of_other_blocks() -> None:
    found = shares(source="wcxb-dev", must_have=(STORY,), must_not_have=("All rights reserved.",))
    np.testing.assert_array_equal(found, [np.nan, np.nan, 1, 1, 0])


def test_a_gold_text_that_is_not_taught_is_not_looked_at() -> None:
    found = shares(source="daniel-waddle", text="Home page, and all rights reserved.")
    assert found[2:] == [1, 1, 0]
    assert found[0] == 0
