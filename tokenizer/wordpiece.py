"""WordPiece as BERT has it (Devlin et al. 2018): text cleaned and by default in lower case without accents, words and
punctuation apart, each word cut greedily into the longest entries, `##` before those that go on.

What is lost stays lost: `decode` gives the normalised words with one space between them. A word with a character that
is no entry, or of more than 200 characters, is [UNK].
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from string import printable
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from corpus.errors import ConfigError
from tokenizer.counting import most_frequent, repeated, words_of
from tokenizer.special_tokens import with_specials
from tokenizer.specials import BERT, Names
from tokenizer.threads import one_thread

PREFIX = "##"
MAX_WORD_CHARS = 200  # google-research/bert, tokenization.py; the `tokenizers` library would take 100


def train_wordpiece(
    texts: Iterable[str], vocab_size: int, names: Names = BERT, *, lowercase: bool = True, min_frequency: int = 2
) -> Tokenizer:
    """A tokenizer of at most `vocab_size` entries: the first special tokens, characters, merges, the last ones.

    Characters of ASCII are entries, and those that come in the texts, the most frequent up to half of the vocabulary;
    each also with `##` where it comes inside a word. The same texts in any order give the same tokenizer: the trainer
    numbers characters inside words as it meets them, so it is given them as first entries in order.

    Limits: the trainer is that of `tokenizers`, which merges the commonest pair (BPE), where Google's unpublished one
    is said to take the likeliest. 2^31 - 1 of a pair at most; all distinct words in memory.
    """
    blank = _tokenizer(models.WordPiece({}, unk_token=names.roles["unk_token"]), lowercase)
    chunks = words_of(texts, blank.normalizer.normalize_str)
    words: Counter[str] = Counter()
    for chunk, n in chunks.items():
        for word, _ in blank.pre_tokenizer.pre_tokenize_str(chunk):
            words[word] += n
    alphabet = _alphabet(words, (vocab_size - len(names.all)) // 2, blank)
    first = [*names.first, *alphabet]
    if vocab_size < len(first) + len(names.last):
        raise ConfigError(f"vocab_size {vocab_size} is too small for special tokens and {len(alphabet)} characters")
    learner = Tokenizer(models.WordPiece({}, unk_token=names.roles["unk_token"]))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size - len(names.last), min_frequency=min_frequency, special_tokens=first, show_progress=False
    )
    known = set(alphabet)
    one_thread()
    learner.train_from_iterator(repeated({w: n for w, n in words.items() if known.issuperset(_characters(w))}), trainer)
    return from_entries(learner.get_vocab(), names, lowercase=lowercase)


def from_entries(entries: Mapping[str, int], names: Names = BERT, *, lowercase: bool = True) -> Tokenizer:
    """The tokenizer of a list of entries, such as BERT's vocab.txt; the family's special tokens must be among them."""
    unknown = names.roles["unk_token"]
    model = models.WordPiece(dict(entries), unk_token=unknown, max_input_chars_per_word=MAX_WORD_CHARS)
    return with_specials(_tokenizer(model, lowercase), names)


def _tokenizer(model: models.WordPiece, lowercase: bool) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)  # accents go where capitals do, as in BERT
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=PREFIX, cleanup=False)  # the cleanup would guess at spaces
    return tokenizer


def _characters(word: str) -> list[str]:
    """a word as single entries: ["w", "##o", "##r", "##d"]"""
    return [word[0], *(PREFIX + character for character in word[1:])]


def _alphabet(words: Mapping[str, int], limit: int, blank: Tokenizer) -> list[str]:
    counts: Counter[str] = Counter()
    for word, n in words.items():
        for character in _characters(word):
            counts[character] += n
    ascii_words = blank.pre_tokenizer.pre_tokenize_str(blank.normalizer.normalize_str(" ".join(printable)))
    ascii_characters = {word for word, _ in ascii_words}
    always = ascii_characters | {PREFIX + c for c in ascii_characters if c.isalnum()}
    others = {character: n for character, n in counts.items() if character not in always}
    return sorted(always) + most_frequent(others, max(0, limit - len(always)))


def faults(parts: Mapping[str, Any], entries: Mapping[str, int]) -> dict[str, bool]:
    """What would keep `decode` from giving the normalised text back, and whether it is so."""
    return {
        "its decoder is not WordPiece": (parts["decoder"] or {}).get("type") != "WordPiece",
        f'words go on with another sign than "{PREFIX}"': parts["model"]["continuing_subword_prefix"] != PREFIX,
        f"it has no entry {parts['model']['unk_token']} for unknown words": parts["model"]["unk_token"] not in entries,
    }


def identity(parts: Mapping[str, Any]) -> dict[str, Any]:
    """What decides ids beside entries, cutting and special tokens."""
    names = ("unk_token", "continuing_subword_prefix", "max_input_chars_per_word")
    return {"normalizer": parts["normalizer"], "model": {name: parts["model"][name] for name in names}}


def spelled(entry: str) -> str:
    """An entry with " " before it if it begins a word."""
    return entry.removeprefix(PREFIX) if entry.startswith(PREFIX) else f" {entry}"
