"""Decoders that read a task between delimiters. Legend: B batch, T tokens, D width."""

import pytest
import torch
import torch.nn.functional as F
from adapt_tasks import task

from training.adapt.adapted import Assignment, fresh_copy
from training.adapt.delimiters import Delimited
from training.adapt.formats import collated
from training.adapt.settings import FineTuning
from training.evaluation.items import Labelled
from training.objective import IGNORED

DECODERS = ("gpt", "gpt2", "llama", "t5-lm")
ITEMS = [
    Labelled("a", "apple bread", "door", 1),
    Labelled("b", "garden house, garden", "candle apple?", 0),
    Labelled("c", "door house", "apple", 1),
]
CPU = torch.device("cpu")


def delimited(made, name="rte", **how):
    model, vocab, objective = made
    torch.manual_seed(0)
    return Delimited(model, Assignment(vocab, task(ITEMS, name=name), FineTuning(**how), objective))


def test_a_pair_token_by_token(pretrained):
    model, vocab, _ = made = pretrained("gpt2")
    adapted = delimited(made)
    start, delimiter, extract = model.spec.vocab, model.spec.vocab + 1, model.spec.vocab + 2
    first, second = (tokens.tolist() for tokens in vocab.encode_batch(["apple bread", "door"]))
    (features,) = adapted.readings(ITEMS)[0].orders
    assert features["tokens"] == [start, *first, delimiter, *second, extract]
    assert features["targets"] == [*first, delimiter, *second, extract, IGNORED]
    (single,) = adapted.readings([Labelled("d", "door", None, 1)])[0].orders
    assert single["tokens"] == [start, *second, extract]


def test_texts_that_are_alike_are_read_in_both_orders(pretrained):
    model, vocab, _ = made = pretrained("gpt2")
    first, second = (tokens.tolist() for tokens in vocab.encode_batch(["apple bread", "door"]))
    one, other = delimited(made, name="stsb").readings(ITEMS)[0].orders
    start, delimiter, extract = range(model.spec.vocab, model.spec.vocab + 3)
    assert one["tokens"] == [start, *first, delimiter, *second, extract]
    assert other["tokens"] == [start, *second, delimiter, *first, extract]


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("changes", [{}, {"tied": False}])
def test_three_new_entries_and_the_same_old_ones(randomised, family, changes):
    model, _, _ = made = randomised(family, **changes)
    grown = delimited(made).model
    tokens_BT = torch.randint(model.spec.vocab, (2, 7), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        V = model.spec.vocab
        old_BTV, new_BTV = model({"tokens": tokens_BT}), grown({"tokens": tokens_BT})
    assert new_BTV.shape[-1] == V + 3
    torch.testing.assert_close(new_BTV[..., :V], old_BTV)
    assert new_BTV[..., V:].std() > 0


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("name", ["rte", "mrpc"])
def test_the_loss_by_hand(randomised, family, name):
    """Of each row alone, without padding: what the extract tokens hold through the head, and half the mean of -ln p of
    all tokens but the first."""
    adapted = delimited(randomised(family), name=name)
    with torch.no_grad():
        adapted.head.out.weight.normal_()
    readings = adapted.readings(ITEMS)
    logits, nats, n_tokens = [], 0.0, 0
    with torch.no_grad():
        for reading in readings:
            total = 0.0
            for order in reading.orders:
                tokens_1T = torch.tensor([order["tokens"]])
                hidden_1TD = adapted.model.hidden({"tokens": tokens_1T})
                total = total + hidden_1TD[0, -1]
                logits_TV = adapted.model({"tokens": tokens_1T})[0, :-1]
                nats += float(F.cross_entropy(logits_TV, tokens_1T[0, 1:], reduction="sum"))
                n_tokens += tokens_1T.shape[1] - 1
            logits.append(adapted.head.out(total))
        labels_B = torch.tensor([1, 0, 1])
        task_loss = F.cross_entropy(torch.stack(logits), labels_B)
        batch = collated(readings, adapted.room, CPU)
        assert len(batch["tokens"]) == (6 if name == "mrpc" else 3)
        torch.testing.assert_close(adapted.loss(batch), task_loss + 0.5 * nats / n_tokens, rtol=1e-4, atol=1e-4)
        adapted.auxiliary = 0.0
        torch.testing.assert_close(adapted.loss(batch), task_loss, rtol=1e-4, atol=1e-4)
        assert adapted.answers(batch) == torch.stack(logits).argmax(dim=1).tolist()


@pytest.mark.parametrize("family", DECODERS)
def test_gradients_reach_all_weights(randomised, family):
    adapted = delimited(randomised(family), auxiliary=0.0)
    adapted.loss(collated(adapted.readings(ITEMS), adapted.room, CPU)).backward()
    still = [name for name, weight in adapted.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not still
    embedding = next(weight for weight in adapted.parameters() if len(weight) == adapted.model.spec.vocab)
    assert embedding.grad[-3:].abs().sum(dim=1).min() > 0


def test_a_copy_is_free_and_the_first_stays(pretrained):
    model, _, _ = pretrained("bert")
    model.pooler.requires_grad_(False)
    copy = fresh_copy(model)
    assert all(weight.requires_grad for weight in copy.parameters())
    kept = model.pooler.weight.clone()
    with torch.no_grad():
        copy.pooler.weight.zero_()
    assert torch.equal(model.pooler.weight, kept)
    assert copy.output.weight is copy.encoder.tokens.weight


def test_delimiters_survive_long_texts(pretrained):
    model, _, _ = made = pretrained("llama")
    (reading,) = delimited(made, max_tokens=9).readings([Labelled("a", "apple " * 40, "door " * 40, 1)])
    tokens = reading.orders[0]["tokens"]
    assert [i for i in tokens if i >= model.spec.vocab] == list(range(model.spec.vocab, model.spec.vocab + 3))
    assert tokens.index(model.spec.vocab + 1) == 4
    assert (len(tokens), reading.cut) == (9, True)
