"""The special tokens of a vocabulary by what they are for. Text never encodes to one of them, `unknown` set aside."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Specials:
    """Ids; None where a vocabulary has no such token. `size` is the number of all entries.

    `eod` closes every document in the shards. `start` begins a row (BERT's [CLS], RoBERTa's <s>), `separator` ends its
    parts (BERT's [SEP], </s>). `sentinels` stand for spans in the order of their use: T5's descend from the last id.
    """

    size: int
    eod: int
    pad: int | None = None
    start: int | None = None
    separator: int | None = None
    mask: int | None = None
    unknown: int | None = None
    sentinels: tuple[int, ...] = ()

    @property
    def ids(self) -> frozenset[int]:
        """All of them."""
        named = (self.eod, self.pad, self.start, self.separator, self.mask, self.unknown)
        return frozenset(i for i in (*named, *self.sentinels) if i is not None)


@dataclass(frozen=True, kw_only=True)
class Names:
    """The special tokens of a family of models: `first` have the first ids, `last` the last ones, in these orders.

    `roles` says which is which, in the words of Hugging Face's configurations; `eod` and `start` are fields of
    Specials that have no single word there. `single` and `pair` are what surrounds one text and two where that
    family's tokenizers add special tokens; "" adds none.
    """

    first: tuple[str, ...]
    eod: str
    start: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    last: tuple[str, ...] = ()
    single: str = ""
    pair: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """Every token, the last ones last."""
        return (*self.first, *self.last)

    def ids(self, ids: Mapping[str, int], size: int) -> Specials:
        """The ids of every role in a vocabulary that has these tokens."""
        named = {role: ids[name] for role in ROLES if (name := self.roles.get(ROLES[role]))}
        start = None if self.start is None else ids[self.start]
        sentinels = tuple(ids[name] for name in reversed(self.last))
        return Specials(size=size, eod=ids[self.eod], start=start, sentinels=sentinels, **named)


ROLES = {"pad": "pad_token", "separator": "sep_token", "mask": "mask_token", "unknown": "unk_token"}
"""Fields of Specials in the words of Hugging Face's configurations."""

GPT2 = Names(  # openai/gpt-2: one token, between documents
    first=("<|endoftext|>",),
    eod="<|endoftext|>",
    roles={"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"},
)
# fairseq's dictionary, BART's as well: <s> <pad> </s> <unk>; <mask> is its last entry, here it stands with the others
ROBERTA = Names(
    first=("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    eod="</s>",
    start="<s>",
    roles={
        "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>",
        "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>",
    },
    single="<s> $A </s>",
    pair="<s> $A </s> </s> $B </s>",  # RoBERTa (Liu et al. 2019) as in fairseq: two separators in the middle
)  # fmt: skip
LLAMA = Names(  # Llama's SentencePiece model: 0, 1, 2
    first=("<unk>", "<s>", "</s>"),
    eod="</s>",
    start="<s>",
    roles={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    single="<s> $A",
    pair="<s> $A <s> $B",
)
BERT = Names(  # google-research/bert, vocab.txt; 0 is [PAD] there as here, the others follow it without a gap
    first=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    eod="[SEP]",
    start="[CLS]",
    roles={
        "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]",
    },
    single="[CLS] $A [SEP]",
    pair="[CLS] $A [SEP] $B:1 [SEP]:1",
)  # fmt: skip
T5 = Names(  # t5's SentencePiece model and seqio's extra_ids=100, which count down from the last id
    first=("<pad>", "</s>", "<unk>"),
    eod="</s>",
    roles={"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"},
    last=tuple(f"<extra_id_{i}>" for i in reversed(range(100))),
    single="$A </s>",
    pair="$A </s> $B </s>",
)

SPECIALS = {"t5": T5, "bert": BERT, "roberta": ROBERTA, "llama": LLAMA, "gpt2": GPT2}
"""By name, the richer first: a vocabulary is of the first family all of whose tokens it has."""
NATURAL = {"bpe-bytes": "gpt2", "wordpiece": "bert", "unigram": "t5"}
"""The special tokens that a model of vocabulary has unless a recipe names others."""
