"""The choice among titles, where no page is needed to show it."""

from corpus.html.titles import best_title, without_site


def test_titles_of_nothing() -> None:
    assert best_title([], []) is None
    assert best_title([], ["!!"]) == "!!"
    assert best_title(["a"], ["Site"], "site") == "a"
    assert without_site("a | b") == "a | b", "neither part is the shorter one"
