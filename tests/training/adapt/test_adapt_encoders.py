"""Encoders with a head: rows by hand, and BERT's and RoBERTa's of transformers. Legend: B batch, T tokens."""

import pytest
import torch
from adapt_tasks import task
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from corpus.errors import ConfigError
from corpus.storage import Folder
from tokenizer import vocab as vocabularies
from training import interop
from training.adapt.adapted import Assignment
from training.adapt.classifier import Classifier
from training.adapt.formats import collated
from training.adapt.settings import FineTuning
from training.evaluation.items import Labelled

ITEMS = [
    Labelled("a", "apple bread", "door", 1),
    Labelled("b", "garden house, garden", "candle apple?", 0),
    Labelled("c", "door", None, 1),
]
CPU = torch.device("cpu")
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
UNREAD = ("masked_head", "output.bias", "next_sentence")  # pretraining's heads


def classifier(made, **how):
    model, vocab, objective = made
    torch.manual_seed(0)
    return Classifier(model, Assignment(vocab, task(ITEMS), FineTuning(**how), objective))


def test_a_pair_of_bert(pretrained):
    adapted = classifier(pretrained("bert"))
    pair, _, single = (reading.orders[0] for reading in adapted.readings(ITEMS))
    names = adapted.vocab.tokenizer.id_to_token
    assert [names(i) for i in pair["tokens"]] == ["[CLS]", "apple", "bread", "[SEP]", "door", "[SEP]"]
    assert pair["types"] == [0, 0, 0, 0, 1, 1]
    assert pair["segments"] == [1] * 6
    assert [names(i) for i in single["tokens"]] == ["[CLS]", "door", "[SEP]"]
    assert single["types"] == [0, 0, 0]


def test_a_pair_of_roberta(pretrained):
    adapted = classifier(pretrained("roberta"))
    pair, _, single = (reading.orders[0] for reading in adapted.readings(ITEMS))
    assert adapted.vocab.decode(pair["tokens"]) == "<s>apple bread</s></s>door</s>"
    assert adapted.vocab.decode(single["tokens"]) == "<s>door</s>"
    assert pair.keys() == {"tokens", "segments"}


def test_rows_are_those_of_their_tokenizer(pretrained, tmp_path):
    adapted = classifier(pretrained("bert"))
    vocabularies.save(adapted.vocab.tokenizer, Folder(str(tmp_path)))
    theirs = BertTokenizerFast.from_pretrained(tmp_path)
    for item, reading in zip(ITEMS, adapted.readings(ITEMS), strict=True):
        said = theirs(item.first, item.second)
        assert reading.orders[0]["tokens"] == said["input_ids"]
        assert reading.orders[0]["types"] == said["token_type_ids"]
        assert reading.orders[0]["segments"] == said["attention_mask"]


def test_separators_survive_a_long_text(pretrained):
    adapted = classifier(pretrained("bert"), max_tokens=8)
    (long,) = adapted.readings([Labelled("a", "apple " * 50, "door", 1)])
    names = adapted.vocab.tokenizer.id_to_token
    assert [names(i) for i in long.orders[0]["tokens"]] == ["[CLS]", *["apple"] * 4, "[SEP]", "door", "[SEP]"]
    assert long.cut


def their_bert(adapted):
    config, state = interop.to_hf(adapted.model)
    theirs = BertForSequenceClassification(BertConfig(**config | NO_DROPOUT | {"num_labels": 2})).eval()
    head = {"classifier.weight": adapted.head.out.weight, "classifier.bias": adapted.head.out.bias}
    missing, unexpected = theirs.load_state_dict(state | head, strict=False)
    assert not missing
    assert all(name.startswith("cls.") for name in unexpected)
    return theirs


def their_roberta(adapted):
    config, state = interop.to_hf(adapted.model)
    theirs = RobertaForSequenceClassification(RobertaConfig(**config | NO_DROPOUT | {"num_labels": 2})).eval()
    layers = {"dense": adapted.dense, "out_proj": adapted.head.out}
    head = {f"classifier.{name}.{p}": getattr(layers[name], p) for name in layers for p in ("weight", "bias")}
    missing, unexpected = theirs.load_state_dict(state | head, strict=False)
    assert not missing
    assert all(name.startswith("lm_head.") for name in unexpected)
    return theirs


@pytest.mark.parametrize(("family", "their"), [("bert", their_bert), ("roberta", their_roberta)])
def test_logits_and_loss_are_theirs(randomised, family, their):
    adapted = classifier(randomised(family))
    with torch.no_grad():
        adapted.head.out.weight.normal_()
        adapted.head.out.bias.normal_()
    theirs = their(adapted)
    batch = collated(adapted.readings(ITEMS), adapted.room, CPU)
    real_BT = batch["segments"] > 0
    tokens_BT = batch["tokens"].where(real_BT, 1)  # RoBERTa's padding, from which it counts positions
    types = {"token_type_ids": batch["types"]} if family == "bert" else {}
    said = theirs(input_ids=tokens_BT, attention_mask=real_BT.long(), labels=batch["labels"], **types)
    assert said.logits.std(dim=0).min() > 0.02
    torch.testing.assert_close(adapted.logits(batch), said.logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(adapted.loss(batch), said.loss, rtol=1e-4, atol=1e-4)
    assert adapted.answers(batch) == said.logits.argmax(dim=1).tolist()


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_gradients_reach_all_that_is_read(randomised, family):
    adapted = classifier(randomised(family))
    adapted.loss(collated(adapted.readings(ITEMS), adapted.room, CPU)).backward()
    still = [name for name, weight in adapted.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still
    assert all(name.removeprefix("model.").startswith(UNREAD) for name in still), still


def test_a_score_is_one_output_and_its_squared_error(randomised):
    model, vocab, objective = randomised("bert")
    scores = [item._replace(label=y) for item, y in zip(ITEMS, (1.5, 0, 4.0), strict=True)]
    adapted = Classifier(model, Assignment(vocab, task(scores, labels=()), FineTuning(), objective))
    batch = collated(adapted.readings(scores), adapted.room, CPU)
    said = adapted.answers(batch)
    assert adapted.logits(batch).shape == (3, 1)
    by_hand = sum((a - y) ** 2 for a, y in zip(said, (1.5, 0.0, 4.0), strict=True)) / 3
    assert float(adapted.loss(batch).detach()) == pytest.approx(by_hand, rel=1e-5)


def test_padding_is_not_read(randomised):
    adapted = classifier(randomised("bert"))
    readings = adapted.readings(ITEMS)
    with torch.no_grad():
        together = adapted.logits(collated(readings, adapted.room, CPU))
        alone = torch.cat([adapted.logits(collated([reading], reading.length, CPU)) for reading in readings])
    torch.testing.assert_close(together, alone)


def test_a_vocabulary_without_a_start(pretrained, vocabs):
    model, _, objective = pretrained("bert", vocab=500)
    with pytest.raises(ConfigError, match="needs a start token"):
        classifier((model, vocabs["gpt2"], objective))
