"""How well a vocabulary fits texts: counts first, then plain numbers from counts. Bytes are those of the texts.

Measures are ratios of sums, so the counts of many workers or shards add up to the counts of the whole.
Legend: V vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from corpus.errors import ConfigError
from corpus.text.segment import words
from tokenizer.vocab import Vocab

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class TextCounts:
    """Sums over texts. Words are what white space parts, which says little in languages without it."""

    n_texts: int
    n_bytes: int
    n_chars: int
    n_words: int
    by_token: Counts  # [V]

    @classmethod
    def none(cls, vocab_size: int) -> Self:
        """The counts of no text."""
        return cls(n_texts=0, n_bytes=0, n_chars=0, n_words=0, by_token=np.zeros(vocab_size, np.int64))

    def __add__(self, other: "TextCounts") -> "TextCounts":
        return TextCounts(
            n_texts=self.n_texts + other.n_texts,
            n_bytes=self.n_bytes + other.n_bytes,
            n_chars=self.n_chars + other.n_chars,
            n_words=self.n_words + other.n_words,
            by_token=self.by_token + other.by_token,
        )


def count(vocab: Vocab, texts: Sequence[str]) -> TextCounts:
    """The counts of some texts; add the results of several calls where the texts do not fit in memory."""
    tokens_T = np.concatenate([np.empty(0, np.int32), *vocab.encode_batch(texts)])
    return TextCounts(
        n_texts=len(texts),
        n_bytes=sum(len(text.encode()) for text in texts),
        n_chars=sum(map(len, texts)),
        n_words=sum(len(words(text)) for text in texts),
        by_token=np.bincount(tokens_T, minlength=vocab.size).astype(np.int64),
    )


def fragments(vocab: Vocab) -> npt.NDArray[np.bool_]:
    """Which entries are no whole characters, only some bytes of one: what a vocabulary falls back on.

    Limits: an entry that holds U+FFFD itself counts as one.
    """
    return np.array(["\ufffd" in vocab.decode([i]) for i in range(vocab.size)], np.bool_)


def measures(counts: TextCounts, vocab: Vocab, fragments_V: npt.NDArray[np.bool_] | None = None) -> dict[str, float]:
    """Ratios of the counts; over nothing, a ratio is 0. `fragments_V` may be given to find it once only.

    bytes_per_token      compression; higher is better
    tokens_per_word      fertility (Acs 2019; Rust et al. 2021); 1 is the least
    tokens_per_char      the same for languages that do not part words
    single_byte_share    of the tokens, those that stand for one byte       (of bytes only)
    fragment_share       of the tokens, those that are no whole characters  (of bytes only)
    unknown_share        of the tokens, those that stand for what has no entry  (of the other families only)
    used_share           of the vocabulary's entries, those that come at least once
    """
    n_tokens = int(counts.by_token.sum())
    if vocab.lossless:
        found = fragments(vocab) if fragments_V is None else fragments_V
        special = {
            "single_byte_share": _ratio(int(counts.by_token[vocab.byte_lengths == 1].sum()), n_tokens),
            "fragment_share": _ratio(int(counts.by_token[found].sum()), n_tokens),
        }
    else:
        assert vocab.specials.unknown is not None  # such a family is trained with one, and loaded with one only
        special = {"unknown_share": _ratio(int(counts.by_token[vocab.specials.unknown]), n_tokens)}
    return {
        "n_tokens": n_tokens,
        "bytes_per_token": _ratio(counts.n_bytes, n_tokens),
        "tokens_per_word": _ratio(n_tokens, counts.n_words),
        "tokens_per_char": _ratio(n_tokens, counts.n_chars),
        **special,
        "used_share": _ratio(int(np.count_nonzero(counts.by_token)), len(counts.by_token)),
    }


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def by_language(vocab: Vocab, counts: Mapping[str, TextCounts]) -> dict[str, dict[str, float]]:
    """The measures of each language, by its name in order, and those of all together as "all"."""
    if "all" in counts:
        raise ConfigError('"all" is the name of the sum over languages; call the language something else')
    fragments_V = fragments(vocab) if vocab.lossless else None
    whole = TextCounts.none(vocab.size)
    for part in counts.values():
        whole += part
    named = {language: counts[language] for language in sorted(counts)} | {"all": whole}
    return {name: measures(part, vocab, fragments_V) for name, part in named.items()}
