"""Beam search: the likeliest texts among those that a few rows at a time can reach.

The search is that of transformers (generation/utils.py, _beam_search, early_stopping=False): each step keeps the best
`width` rows that go on, texts that end among the step's best `width` candidates are kept with their scores, and it is
over when the best row, at its present length, cannot beat the worst of `width` ended texts.

Legend: B rows that go on, C candidates, T tokens, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch

from corpus.errors import ConfigError
from tokenizer.vocab import Vocab
from training.generation.decoding import Decoding, opened, text_of
from training.generation.frame import Frame
from training.models import Model

NORMS: dict[str, Callable[[int, float], float]] = {
    "wu": lambda length, alpha: ((5 + length) / 6) ** alpha,  # Wu et al. 2016, GNMT, section 7, equation 14
    "power": lambda length, alpha: float(length**alpha),  # transformers' length_penalty
}


@dataclass(frozen=True, kw_only=True)
class Beams:
    """How texts are searched for. Scores are ln p divided by a `norm` of the length (its end counts) with exponent
    `length_penalty`: above 0, longer texts are favoured. Width 4 with 0.6 is T5's (Raffel et al. 2020, section 3.7)."""

    width: int = 4
    max_tokens: int = 64
    length_penalty: float = 0.6
    norm: Literal["wu", "power"] = "wu"

    def __post_init__(self) -> None:
        if self.width < 1 or self.max_tokens < 1 or self.norm not in NORMS:
            raise ConfigError(
                f"beam width {self.width} and max_tokens {self.max_tokens} must be 1 or more, and norm {self.norm} one "
                f"of {', '.join(NORMS)}"
            )

    def score(self, nats: float, length: int) -> float:
        """Of a text by its ln p and its tokens, the end among them."""
        return nats / NORMS[self.norm](length, self.length_penalty)


class Hypothesis(NamedTuple):
    """A text found, without its end."""

    score: float
    tokens: list[int]


def search(
    model: Model, vocab: Vocab, prompt: str = "", beams: Beams = Beams(), frame: Frame | None = None
) -> list[tuple[float, str]]:
    """The best texts after a prompt, or made of it by an encoder-decoder, with their scores; the best first."""
    decoding, line = opened(model, vocab, prompt, frame)
    return [(score, text_of(vocab, tokens)) for score, tokens in searched(decoding, line, beams, vocab.eod_id)]


def searched(decoding: Decoding, line: Sequence[int], beams: Beams, end: int) -> list[Hypothesis]:
    """The best continuations of `line`, the best first; a text that does not end by then ends with max_tokens."""
    tokens_BT, nats_B = torch.tensor([list(line)]), torch.zeros(1)
    ended: list[Hypothesis] = []
    for length in range(1, beams.max_tokens + 1):
        logp_BV = torch.log_softmax(decoding.after(tokens_BT), dim=1) + nats_B[:, None]
        # twice as many as rows: should the best half all end, as many go on
        nats_C, index_C = logp_BV.flatten().topk(min(2 * beams.width, logp_BV.numel()))
        rows_C, token_C = index_C // logp_BV.shape[1], index_C % logp_BV.shape[1]
        tokens_CT = torch.cat((tokens_BT[rows_C], token_C[:, None]), dim=1)
        ends_C = token_C == end if length < beams.max_tokens else torch.ones_like(token_C, dtype=torch.bool)
        for c in ends_C[: beams.width].nonzero().flatten().tolist():
            tokens = tokens_CT[c, len(line) :].tolist()
            text = tokens[:-1] if tokens[-1] == end else tokens
            ended.append(Hypothesis(beams.score(float(nats_C[c]), length), text))
        ended = sorted(ended, key=lambda found: -found.score)[: beams.width]
        on_B = (~ends_C).nonzero().flatten()[: beams.width]
        tokens_BT, nats_B = tokens_CT[on_B], nats_C[on_B]
        if not len(on_B) or (len(ended) == beams.width and beams.score(float(nats_B[0]), length) <= ended[-1].score):
            break
        decoding.select(rows_C[on_B])
    return ended
