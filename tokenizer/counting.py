"""Words and characters of texts, counted: what trainers that depend on the order of texts are given instead."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, repeat

AT_ONCE = 1000  # copies of a word in one string to the trainer


def words_of(texts: Iterable[str], normalize: Callable[[str], str]) -> Counter[str]:
    """How often each piece between white space comes in the normalised texts. Limits: all distinct ones in memory."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(normalize(text).split())
    return counts


def most_frequent(counts: Mapping[str, int], limit: int) -> list[str]:
    """At most `limit` of the keys, by count and then by code points; given back in the order of code points."""
    chosen = sorted(counts, key=lambda key: (-counts[key], key))[:limit]
    return sorted(chosen)


def repeated(words: Mapping[str, int]) -> Iterator[str]:
    """Texts of one word each, in order, that hold every word as often as it was counted."""
    for word in sorted(words):
        whole, rest = divmod(words[word], AT_ONCE)
        yield from chain(repeat(" ".join([word] * AT_ONCE), whole), [" ".join([word] * rest)] if rest else [])
