"""Models whose probabilities are written down, over a vocabulary of bytes: what they score can be done by hand."""

from math import log

import torch
from torch import nn
from torch.nn import functional

from tokenizer.vocab import Vocab, train
from training.models import Model
from training.spec import ModelSpec

FAMILIES = {"decoder": ("llama", "gpt2"), "encoder": ("bert", "roberta"), "encoder-decoder": ("t5", "t5")}


def byte_vocab(kind="decoder"):
    """A token for each byte, and the special tokens that this kind of model needs."""
    return Vocab.of(train("bpe-bytes", [], 460, FAMILIES[kind][1]))


class Known(Model):
    """p(token | another one), {"ab": 0.5}: after a comes b half of the time; what is left goes evenly to the others.

    The other token is the one before for a decoder, the one to the right for an encoder, the one to the left of the
    first sentinel for an encoder-decoder; {"a": 0.5} is a beside `edge`, <eod> unless it is named. `calls` are the
    shapes of what was read.
    """

    def __init__(self, vocab, chances, kind="decoder", edge=None, context=64):
        super().__init__(
            ModelSpec(family=FAMILIES[kind][0], layers=1, width=2, heads=1, ffn=2, vocab=vocab.size, context=context)
        )
        self.specials, self.calls = vocab.specials, []
        p_VV = torch.zeros(vocab.size, vocab.size)
        for pair, chance in chances.items():
            *before, after = vocab.encode_batch([pair])[0].tolist()
            p_VV[before[0] if before else vocab.eod_id if edge is None else edge, after] = chance
        left_V1, open_VV = 1 - p_VV.sum(dim=1, keepdim=True), p_VV == 0
        p_VV = torch.where(open_VV, left_V1 / open_VV.sum(dim=1, keepdim=True), p_VV)
        self.output = nn.Linear(vocab.size, vocab.size, bias=False)
        self.output.weight.data = p_VV.log().T.contiguous()

    def hidden(self, batch):
        tokens_BT = batch["tokens"]
        self.calls.append(tuple(tokens_BT.shape))
        if self.spec.kind == "encoder":
            tokens_BT = tokens_BT.roll(-1, dims=1)
        if self.spec.kind == "encoder-decoder":
            (_, at_B) = (batch["inputs"] == self.specials.sentinels[0]).nonzero(as_tuple=True)
            before_BI = functional.pad(batch["inputs"], (1, 0), value=self.specials.eod)
            tokens_BT = before_BI.gather(1, at_B[:, None]).expand_as(tokens_BT)
        return functional.one_hot(tokens_BT, self.spec.vocab).float()


def ln(*chances):
    """-ln of their product."""
    return -sum(map(log, chances))
