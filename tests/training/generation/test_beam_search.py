"""Legend: V vocabulary."""

import itertools
import math

import pytest
import torch

from corpus.errors import ConfigError
from training.generation.beam import Beams, search, searched
from training.generation.sample import GREEDY, sample

END = 2


class Table:
    """Chances by the last token only, as a model would give them."""

    def __init__(self, p_VV):
        self.logp_VV = torch.tensor(p_VV).log()

    def after(self, tokens_BT):
        return self.logp_VV[tokens_BT[:, -1]]

    def select(self, rows_B):
        pass


# after 0: likeliest 0; but 1 then the end is likelier than any two from 0
CHAIN = Table([[0.5, 0.45, 0.05], [0.05, 0.05, 0.9], [1 / 3, 1 / 3, 1 / 3]])


def test_two_rows_find_what_one_does_not():
    one, two = (
        searched(CHAIN, [0], Beams(width=width, max_tokens=2, norm="power", length_penalty=0.0), END)
        for width in (1, 2)
    )
    assert one[0].tokens == [0, 0]
    assert math.exp(one[0].score) == pytest.approx(0.25)
    assert two[0].tokens == [1]
    assert math.exp(two[0].score) == pytest.approx(0.405)


def test_enough_rows_find_the_best_of_all():
    """Against every text of up to 4 tokens."""
    torch.manual_seed(0)
    for _ in range(5):
        table = Table(torch.rand(4, 4).softmax(1).tolist())
        beams = Beams(width=64, max_tokens=4, length_penalty=0.6)
        scored = {}
        for length in range(1, 5):
            for text in itertools.product(range(4), repeat=length):
                if END in text[:-1] or (text[-1] != END and length < 4):
                    continue
                nats = sum(float(table.logp_VV[a, b]) for a, b in itertools.pairwise((0, *text)))
                scored[text] = beams.score(nats, length)
        best = max(scored, key=scored.get)
        found = searched(table, [0], beams, END)
        assert found[0].tokens == [token for token in best if token != END]
        assert found[0].score == pytest.approx(scored[best], rel=1e-5)
        assert [text.score for text in found] == sorted((text.score for text in found), reverse=True)


def test_length_penalties_by_hand():
    assert Beams(length_penalty=0.0).score(-3.0, 7) == -3.0
    assert Beams(length_penalty=0.6).score(-3.0, 7) == pytest.approx(-3.0 / (12 / 6) ** 0.6)  # ((5 + 7) / (5 + 1))^a
    assert Beams(length_penalty=2.0, norm="power").score(-3.0, 7) == pytest.approx(-3.0 / 49)


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5", "bart"])
def test_texts_come_with_their_scores(speaker, family):
    model, vocab = speaker(family)
    found = search(model, vocab, "two and", Beams(width=3, max_tokens=6))
    assert len(found) == 3
    assert found[0][0] >= found[1][0] >= found[2][0]
    single = search(model, vocab, "two and", Beams(width=1, max_tokens=64))
    assert single[0][1] == sample(model, vocab, "two and", GREEDY)


def test_wrong_beams_are_said():
    for wrong in ({"width": 0}, {"max_tokens": 0}, {"norm": "wo"}):
        with pytest.raises(ConfigError, match="norm"):
            Beams(**wrong)
