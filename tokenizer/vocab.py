"""A vocabulary of any family: trained on text, kept as Hugging Face's `tokenizer.json`, named by a digest.

Special tokens are ids that only we set: text that happens to read "<|endoftext|>" or "[SEP]" is encoded as ordinary
characters, so that no page can forge the end of a document. Of `bpe-bytes` every text comes back as it was; the other
families normalise texts first, and what comes back is `normalized`.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Tokenizer

from corpus.errors import ConfigError, DataError
from corpus.manifest import FileInfo
from corpus.storage import Folder
from tokenizer import marking
from tokenizer.families import FAMILIES
from tokenizer.shard import Batch
from tokenizer.special_tokens import check_unforgeable, names_of
from tokenizer.specials import NATURAL, SPECIALS, Specials
from tokenizer.threads import one_thread

FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"


def train(
    family: str, texts: Iterable[str], vocab_size: int, specials: str | None = None, **options: object
) -> Tokenizer:
    """A tokenizer of a family in FAMILIES with special tokens of SPECIALS, the family's natural ones unless named."""
    return FAMILIES[family].train(texts, vocab_size, SPECIALS[specials or NATURAL[family]], **options)


@dataclass(frozen=True, kw_only=True)
class Vocab:
    """What the rest of the program asks of a vocabulary; equal where the digest and the special tokens' roles are."""

    tokenizer: Tokenizer = field(compare=False, repr=False)
    family: str  # of FAMILIES
    names: str  # of SPECIALS
    specials: Specials
    digest: str

    @classmethod
    def of(cls, tokenizer: Tokenizer, specials: str | None = None) -> Self:
        """The vocabulary of a tokenizer; its special tokens are found if no family of them is named. ConfigError for
        one that lacks some, that a text could forge, or that could not give back what it should."""
        one_thread()
        own = Tokenizer.from_str(tokenizer.to_str())  # a copy: the setting below is not the caller's
        own.encode_special_tokens = True
        own.no_padding()
        own.no_truncation()
        family = _family(own)
        names = names_of(own, specials)
        check_unforgeable(own, SPECIALS[names])
        ids = SPECIALS[names].ids(own.get_vocab(), own.get_vocab_size())
        return cls(tokenizer=own, family=family, names=names, specials=ids, digest=digest(own))

    @property
    def size(self) -> int:
        """The number of entries, special tokens among them."""
        return self.specials.size

    @property
    def eod_id(self) -> int:
        """What closes a document."""
        return self.specials.eod

    @property
    def lossless(self) -> bool:
        """Whether every text comes back as it was."""
        return self.family == "bpe-bytes"

    def encode_batch(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        """The tokens of each text, without the end of document. DataError for a text that is no valid Unicode."""
        encodings = _valid(self.tokenizer.encode_batch_fast, texts)
        return [np.array(encoding.ids, np.int32) for encoding in encodings]

    def encoded(self, rows: pa.RecordBatch, texts: Sequence[str], *, marks: bool = False) -> Batch:
        """The texts of some documents as `write_shard` takes them; `marks` tells words and sentences of each token."""
        if not marks:
            return Batch(rows, self.encode_batch(texts))
        encodings = _valid(self.tokenizer.encode_batch, texts)
        tokens = [np.array(encoding.ids, np.int32) for encoding in encodings]
        starts = [np.fromiter((a for a, _ in encoding.offsets), np.int64) for encoding in encodings]
        found = [
            marking.marks(text, tokens_T, starts_T, self.white_space)
            for text, tokens_T, starts_T in zip(texts, tokens, starts, strict=True)
        ]
        return Batch(rows, tokens, found)

    def decode(self, ids: Sequence[int] | npt.NDArray[Any]) -> str:
        """The text of tokens, special ones by their names; bytes that are no UTF-8 (a cut character) become U+FFFD."""
        ids_T = np.asarray(ids, np.int64)
        if ids_T.size and not (ids_T.min() >= 0 and ids_T.max() < self.size):
            raise DataError(
                f"tokens reach from {ids_T.min()} to {ids_T.max()}; the vocabulary has 0 to {self.size - 1}"
            )
        text: str = self.tokenizer.decode(ids_T.tolist(), skip_special_tokens=False)
        return text

    def normalized(self, text: str) -> str:
        """What `decode` gives for the tokens of a text, if none of them is unknown."""
        if self.lossless:
            return text
        cut, normalizer = self.tokenizer.pre_tokenizer, self.tokenizer.normalizer
        pieces = cut.pre_tokenize_str(normalizer.normalize_str(text) if normalizer else text)
        return "".join(FAMILIES[self.family].spelled(piece) for piece, _ in pieces).removeprefix(" ")

    @cached_property
    def byte_lengths(self) -> npt.NDArray[np.int32]:
        """How many bytes of text each entry stands for; special tokens stand for none. ConfigError for a family in
        which an entry stands for no fixed bytes: divide by the bytes of texts instead."""
        if not self.lossless:
            raise ConfigError(f"entries of {self.family} stand for no fixed number of bytes; count those of the texts")
        special = {i for i, token in self.tokenizer.get_added_tokens_decoder().items() if token.special}
        lengths_V = np.zeros(self.size, np.int32)
        for name, i in self.tokenizer.get_vocab().items():
            lengths_V[i] = 0 if i in special else len(name)  # the byte-level alphabet has one character for a byte
        return lengths_V

    @cached_property
    def white_space(self) -> marking.WhiteSpace:
        """Which entries begin and end with white space, or are nothing else."""
        spelled = FAMILIES[self.family].spelled
        ids = self.tokenizer.get_vocab()
        return marking.WhiteSpace.of([spelled(entry) for entry in sorted(ids, key=ids.__getitem__)])

    def __reduce__(self) -> tuple[Any, ...]:
        # the library's own pickle forgets `encode_special_tokens`
        return Vocab._restored, (self.tokenizer.to_str(), self.names)

    @staticmethod
    def _restored(text: str, names: str) -> "Vocab":
        return Vocab.of(Tokenizer.from_str(text), names)


def _valid(encode: Callable[..., list[Any]], texts: Sequence[str]) -> list[Any]:
    try:
        return encode(list(texts), add_special_tokens=False)
    except TypeError as error:
        raise DataError("a text holds half a surrogate pair, which UTF-8 cannot carry; mend its decoding") from error


def _family(tokenizer: Tokenizer) -> str:
    """The key in FAMILIES; ConfigError for a tokenizer of none, or with something that its family cannot have."""
    parts = json.loads(tokenizer.to_str())
    for key, family in FAMILIES.items():
        if family.model == parts["model"]["type"]:
            found = [fault for fault, there in family.faults(parts, tokenizer.get_vocab()).items() if there]
            if found:
                raise ConfigError(f"not a vocabulary of {key} that gives texts back: {found[0]}; train one, or mend it")
            return key
    raise ConfigError(f"a vocabulary of {parts['model']['type']}, which is none of {', '.join(FAMILIES)}; convert it")


def digest(tokenizer: Tokenizer) -> str:
    """sha256 over what decides the ids of a text: entries in id order, the model's own, cutting, special tokens."""
    parts = json.loads(tokenizer.to_str())
    identity = {
        "entries": [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())],
        "pre_tokenizer": parts["pre_tokenizer"],
        "special": [(token["id"], token["content"]) for token in parts["added_tokens"]],
        **FAMILIES[_family(tokenizer)].identity(parts),
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def save(
    tokenizer: Tokenizer, folder: Folder, specials: str | None = None, *, context: int | None = None
) -> tuple[FileInfo, ...]:
    """Writes `tokenizer.json`, and beside it what `transformers.AutoTokenizer` needs to open the folder: for the
    tokenizer of a model also the `context` that it may fill."""
    names = SPECIALS[names_of(tokenizer, specials)]
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **names.roles,
        **({"additional_special_tokens": list(reversed(names.last))} if names.last else {}),
        **({"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]} if ":1" in names.pair else {}),
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        **({} if context is None else {"model_max_length": context}),
    }
    contents = {CONFIG_FILE: json.dumps(config, indent=2), FILE: tokenizer.to_str(pretty=True)}
    return tuple(_written(folder, name, f"{content}\n".encode()) for name, content in contents.items())


def _written(folder: Folder, name: str, data: bytes) -> FileInfo:
    folder.write(name, data)
    return FileInfo(file=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def load(folder: Folder, specials: str | None = None) -> Vocab:
    """The vocabulary that `save` wrote, or any `tokenizer.json` of a family. DataError if it is missing or broken."""
    content = folder.read(FILE)
    try:
        tokenizer = Tokenizer.from_str(content.decode())
    except Exception as error:  # the library raises nothing narrower
        raise DataError(f"no vocabulary can be read from {folder.path(FILE)}: {error}; write it again") from error
    return Vocab.of(tokenizer, specials)
