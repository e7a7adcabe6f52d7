"""A unigram model of pieces (Kudo 2018) as T5 has it: text in NFKC, U+2581 before each word instead of white space, and
of all ways to cut a word the likeliest.

What is lost stays lost: `decode` gives the normalised words with one space between them. A run of characters that are
no entries is one <unk>.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from string import printable
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from corpus.errors import ConfigError
from tokenizer.counting import most_frequent, repeated, words_of
from tokenizer.special_tokens import with_specials
from tokenizer.specials import T5, Names
from tokenizer.threads import one_thread

SPACE = "\u2581"
DIGITS = 4
"""Of a score, kept: the trainer adds up in an order of its own, which shows from the eleventh on."""
LADDER = 1e-4
"""The trainer gives characters that it would have dropped the least score, plus this for each one before."""
Piece = tuple[str, float]


def train_unigram(texts: Iterable[str], vocab_size: int, names: Names = T5) -> Tokenizer:
    """A tokenizer of at most `vocab_size` entries: the first special tokens, pieces by score, the last special tokens.

    Characters of ASCII are entries, and those that come in the texts, the most frequent up to half of the vocabulary.
    The same texts in any order give the same tokenizer, as far as the trainer of `tokenizers` allows: it sums floats in
    an order that differs from run to run, so scores are rounded here, and the characters that it gives arbitrary
    scores get one score. What can still differ is a choice between two pieces whose losses agree to ten digits.

    Limits: a text without white space is one word to the trainer, which is slow on long ones; all distinct words in
    memory. Raises ConfigError for a vocabulary too small for its characters.
    """
    blank = _tokenizer(models.Unigram(), names)
    chunks = words_of(texts, blank.normalizer.normalize_str)
    room = vocab_size - len(names.all)
    alphabet = _alphabet(chunks, room // 2, blank)
    if room < len(alphabet):
        raise ConfigError(f"vocab_size {vocab_size} is too small for special tokens and {len(alphabet)} characters")
    outside = re.compile(f"[^{re.escape(''.join(alphabet))}]+")
    words: Counter[str] = Counter()
    for chunk, n in chunks.items():
        for word, _ in blank.pre_tokenizer.pre_tokenize_str(chunk):
            words.update({part: n for part in outside.split(word) if part})
    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.UnigramTrainer(
        vocab_size=len(names.first) + room,
        special_tokens=list(names.first),
        unk_token=names.roles["unk_token"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    one_thread()
    learner.train_from_iterator(repeated(words), trainer)
    learnt = json.loads(learner.to_str())["model"]["vocab"][len(names.first) :]
    found = [(piece, score or 0.0) for piece, score in learnt]  # over no text a score is no number
    return from_pieces([*((name, 0.0) for name in names.first), *_settled(found)], names)


def from_pieces(
    pieces: Sequence[Piece], names: Names = T5, normalizer: normalizers.Normalizer | None = None
) -> Tokenizer:
    """The tokenizer of pieces with their scores, such as a SentencePiece model's.

    SentencePiece's own table of characters (`nmt_nfkc`) is given as a normalizer; ours in its place differs from it in
    three characters: U+FF5E stays there and is "~" here, U+0344 stays, U+1F23B has a later Unicode's meaning.
    """
    unknown = [piece for piece, _ in pieces].index(names.roles["unk_token"])
    model = models.Unigram(list(pieces), unk_id=unknown, byte_fallback=False)
    return with_specials(_tokenizer(model, names, normalizer), names)


def _tokenizer(model: models.Unigram, names: Names, normalizer: normalizers.Normalizer | None = None) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer or normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    # the library's model knows no control pieces: a text that names a special token is cut before it can be one
    named = Regex("|".join(f"{re.escape(name[0])}(?={re.escape(name[1:])})" for name in names.first))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(SPACE), pre_tokenizers.Split(named, "isolated")]
    )
    tokenizer.decoder = decoders.Metaspace(SPACE)
    return tokenizer


def _alphabet(chunks: Mapping[str, int], limit: int, blank: Tokenizer) -> list[str]:
    counts: Counter[str] = Counter()
    for chunk, n in chunks.items():
        for character in chunk:
            counts[character] += n
    always = {SPACE, *"".join(printable.split())}
    others = {character: n for character, n in counts.items() if character not in always}
    return sorted(always) + most_frequent(others, max(0, limit - len(always)))


def _settled(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with scores that do not depend on the trainer's order, by score and then by code points."""
    least = min((score for _, score in pieces), default=0.0)
    ladder = least + LADDER * sum(len(piece) == 1 for piece, _ in pieces)
    settled = [(piece, least if len(piece) == 1 and score <= ladder else score) for piece, score in pieces]
    rounded = [(piece, round(score, DIGITS)) for piece, score in settled]
    return sorted(rounded, key=lambda piece: (-piece[1], piece[0]))


def faults(parts: Mapping[str, Any], entries: Mapping[str, int]) -> dict[str, bool]:
    """What would keep `decode` from giving the normalised text back, and whether it is so."""
    return {
        "its decoder is not Metaspace": (parts["decoder"] or {}).get("type") != "Metaspace",
        "it falls back on bytes": bool(parts["model"]["byte_fallback"]),
        "it has no entry for unknown characters": parts["model"]["unk_id"] is None,
    }


def identity(parts: Mapping[str, Any]) -> dict[str, Any]:
    """What decides ids beside entries, cutting and special tokens."""
    model = parts["model"]
    scores = [score for _, score in model["vocab"]]
    return {"normalizer": parts["normalizer"], "model": {"scores": scores, "unk_id": model["unk_id"]}}


def spelled(entry: str) -> str:
    """An entry with " " for U+2581."""
    return entry.replace(SPACE, " ")
