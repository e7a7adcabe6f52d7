"""A byte-level BPE vocabulary: trained on text, kept as Hugging Face's `tokenizer.json`, named by a digest.

Byte-level means that each of the 256 bytes is an entry, so any text has tokens and `decode(encode(s)) == s`.
Special tokens are ids that only we set: text that happens to read "<|endoftext|>" is encoded as ordinary characters,
so that no page can forge the end of a document.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus.errors import ConfigError, DataError
from corpus.manifest import FileInfo
from corpus.storage import Folder

EOD = "<|endoftext|>"  # GPT-2's name for the end of a document
FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
N_BYTES = 256


def train_bpe_bytes(
    texts: Iterable[str], vocab_size: int, special_tokens: Sequence[str] = (EOD,), min_frequency: int = 2
) -> Tokenizer:
    """A tokenizer of at most `vocab_size` entries: special tokens in the order given, the 256 bytes, then merges.

    Words are cut by GPT-2's pattern (Radford et al. 2019). Merging stops early when no pair comes `min_frequency`
    times (2, as in Hugging Face's ByteLevelBPETokenizer), so a small text gives fewer entries than were asked for:
    read the achieved number from `get_vocab_size()`. The same texts in any order give the same tokenizer.

    Limits: one process, about 1 kB of memory for each distinct word; the library counts in 32 bits, so a pair that
    comes more than 2^31 - 1 times is miscounted. Raises ConfigError before reading text.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    _check_request(vocab_size, special_tokens, tokenizer)
    _one_thread()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _check_request(vocab_size: int, special_tokens: Sequence[str], tokenizer: Tokenizer) -> None:
    if not special_tokens or len(set(special_tokens)) < len(special_tokens):
        raise ConfigError(f"special_tokens {list(special_tokens)!r}: name at least one, to end documents, none twice")
    least = N_BYTES + len(special_tokens)
    if vocab_size < least:
        raise ConfigError(f"vocab_size {vocab_size} is below {least}: 256 bytes and the special tokens; raise it")
    for token in special_tokens:
        # The trainer gives a merge whose string is already an entry that entry's id.
        if len(tokenizer.pre_tokenizer.pre_tokenize_str(token)) < 2:
            raise ConfigError(
                f'special token "{token}" is one word to the pattern, so text could be merged into it; '
                f'mix letters with signs, as in "{EOD}"'
            )


def _one_thread() -> None:
    """The library's threads off, unless the user has chosen: engines use processes, and forks hate threads."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@dataclass(frozen=True, kw_only=True)
class Vocab:
    """What the rest of the program asks of a vocabulary; equal where the digest and the end of a document are."""

    tokenizer: Tokenizer = field(compare=False, repr=False)
    eod: str
    eod_id: int
    size: int
    digest: str

    @classmethod
    def of(cls, tokenizer: Tokenizer, eod: str = EOD) -> Self:
        """The vocabulary of a byte-level tokenizer; ConfigError for one that cannot give every text back."""
        _check_byte_level(tokenizer)
        eod_id = tokenizer.token_to_id(eod)
        if eod_id is None:
            raise ConfigError(f'the vocabulary has no entry "{eod}" to end documents with; name the one it has')
        _one_thread()
        own = Tokenizer.from_str(tokenizer.to_str())  # a copy: the setting below is not the caller's
        own.encode_special_tokens = True
        return cls(tokenizer=own, eod=eod, eod_id=eod_id, size=own.get_vocab_size(), digest=digest(own))

    def encode_batch(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """The tokens of each text, without the end of document. DataError for a text that is no valid Unicode."""
        try:
            encodings = self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        except TypeError as error:
            raise DataError(
                "a text holds half a surrogate pair, which UTF-8 cannot carry; mend its decoding"
            ) from error
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def decode(self, ids: Sequence[int] | npt.NDArray[Any]) -> str:
        """The text of tokens, special ones by their names; bytes that are no UTF-8 (a cut character) become U+FFFD."""
        ids_T = np.asarray(ids, np.int64)
        if ids_T.size and not (ids_T.min() >= 0 and ids_T.max() < self.size):
            raise DataError(
                f"tokens reach from {ids_T.min()} to {ids_T.max()}; the vocabulary has 0 to {self.size - 1}"
            )
        text: str = self.tokenizer.decode(ids_T.tolist(), skip_special_tokens=False)
        return text

    @cached_property
    def byte_lengths(self) -> npt.NDArray[np.int32]:
        """How many bytes of text each entry stands for; special tokens stand for none."""
        special = {i for i, token in self.tokenizer.get_added_tokens_decoder().items() if token.special}
        lengths_V = np.zeros(self.size, np.int32)
        for name, i in self.tokenizer.get_vocab().items():
            lengths_V[i] = 0 if i in special else len(name)  # the byte-level alphabet has one character for a byte
        return lengths_V

    def __reduce__(self) -> tuple[Any, ...]:
        # the library's own pickle forgets `encode_special_tokens`
        return _restored, (self.tokenizer.to_str(), self.eod)


def _restored(text: str, eod: str) -> Vocab:
    return Vocab.of(Tokenizer.from_str(text), eod)


def _check_byte_level(tokenizer: Tokenizer) -> None:
    parts = json.loads(tokenizer.to_str())
    faults = {
        f"its normalizer is {parts['normalizer']}": parts["normalizer"] is not None,
        "its decoder is not ByteLevel": (parts["decoder"] or {}).get("type") != "ByteLevel",
        "it puts a space before texts": '"add_prefix_space": true' in json.dumps(parts["pre_tokenizer"]),
        "it drops merges at random": bool(parts["model"].get("dropout")),
        "it lacks some of the 256 bytes": not set(pre_tokenizers.ByteLevel.alphabet()) <= set(tokenizer.get_vocab()),
    }
    for fault, found in faults.items():
        if found:
            raise ConfigError(f"not a byte-level vocabulary that gives every text back: {fault}")


def digest(tokenizer: Tokenizer) -> str:
    """sha256 over what decides the ids of a text: entries in id order, merges in order, cutting, special tokens."""
    parts = json.loads(tokenizer.to_str())
    identity = {
        "entries": [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())],
        "merges": parts["model"]["merges"],
        "ignore_merges": parts["model"]["ignore_merges"],
        "pre_tokenizer": parts["pre_tokenizer"],
        "special": [(token["id"], token["content"]) for token in parts["added_tokens"]],
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def save(tokenizer: Tokenizer, folder: Folder, eod: str = EOD) -> tuple[FileInfo, ...]:
    """Writes `tokenizer.json`, and beside it what `transformers.AutoTokenizer` needs to open the folder."""
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": eod,
        "eos_token": eod,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
    }
    contents = {CONFIG_FILE: json.dumps(config, indent=2), FILE: tokenizer.to_str(pretty=True)}
    return tuple(_written(folder, name, f"{content}\n".encode()) for name, content in contents.items())


def _written(folder: Folder, name: str, data: bytes) -> FileInfo:
    folder.write(name, data)
    return FileInfo(file=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def load(folder: Folder, eod: str = EOD) -> Vocab:
    """The vocabulary that `save` wrote, or any byte-level `tokenizer.json`. DataError if it is missing or broken."""
    content = folder.read(FILE)
    try:
        tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:  # the library raises nothing narrower
        raise DataError(f"no vocabulary can be read from {folder.path(FILE)}: {error}; write it again") from error
    return Vocab.of(tokenizer, eod)
