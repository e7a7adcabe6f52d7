"""Byte-level BPE (Radford et al. 2019; GPT-2, RoBERTa, BART): any text has tokens, and `decode(encode(s)) == s`."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus.errors import ConfigError
from tokenizer.special_tokens import with_specials
from tokenizer.specials import GPT2, Names
from tokenizer.threads import one_thread

N_BYTES = 256
WHITE_SPACE = str.maketrans(dict.fromkeys("ĠĊĉčċČ", " "))
"""The byte-level alphabet's signs for space, line feed, tab, carriage return, vertical tab and form feed."""


def train_bpe_bytes(texts: Iterable[str], vocab_size: int, names: Names = GPT2, min_frequency: int = 2) -> Tokenizer:
    """A tokenizer of at most `vocab_size` entries: the first special tokens, the 256 bytes, merges, the last ones.

    Words are cut by GPT-2's pattern (Radford et al. 2019). Merging stops early when no pair comes `min_frequency`
    times (2, as in Hugging Face's ByteLevelBPETokenizer), so a small text gives fewer entries than were asked for:
    read the achieved number from `get_vocab_size()`. The same texts in any order give the same tokenizer.

    Limits: one process, about 1 kB of memory for each distinct word; the library counts in 32 bits, so a pair that
    comes more than 2^31 - 1 times is miscounted. Raises ConfigError before reading text.
    """
    least = N_BYTES + len(names.all)
    if vocab_size < least:
        raise ConfigError(f"vocab_size {vocab_size} is below {least}: 256 bytes and the special tokens; raise it")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(names.last),
        min_frequency=min_frequency,
        special_tokens=list(names.first),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    one_thread()
    tokenizer.train_from_iterator(texts, trainer)
    return with_specials(tokenizer, names)


def faults(parts: Mapping[str, Any], entries: Mapping[str, int]) -> dict[str, bool]:
    """What would keep a tokenizer from giving every text back, and whether it is so."""
    model = parts["model"]
    return {
        f"its normalizer is {parts['normalizer']}": parts["normalizer"] is not None,
        "its decoder is not ByteLevel": (parts["decoder"] or {}).get("type") != "ByteLevel",
        "it puts a space before texts": '"add_prefix_space": true' in json.dumps(parts["pre_tokenizer"]),
        "it drops merges at random": bool(model.get("dropout")),
        "it marks parts of words": bool(model.get("continuing_subword_prefix") or model.get("end_of_word_suffix")),
        "it lacks some of the 256 bytes": not set(pre_tokenizers.ByteLevel.alphabet()) <= set(entries),
    }


def identity(parts: Mapping[str, Any]) -> dict[str, Any]:
    """What decides ids beside entries, cutting and special tokens."""
    return {name: parts["model"][name] for name in ("merges", "ignore_merges")}


def spelled(entry: str) -> str:
    """An entry with " " for the white space of ASCII in it."""
    return entry.translate(WHITE_SPACE)
