"""Encoder-decoders that read a task as text and write the answer. Legend: B batch, T tokens."""

import pytest
import torch
import torch.nn.functional as F
from adapt_tasks import task
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from tokenizer.vocab import Vocab, train
from training.adapt.adapted import Assignment
from training.adapt.formats import collated, padded
from training.adapt.settings import FineTuning
from training.adapt.text_to_text import NO_LABEL, NO_SCORE, TextToText, score, spoken
from training.evaluation.items import Labelled
from training.generation.beam import Beams, searched
from training.generation.decoding import Decoding

ITEMS = [
    Labelled("a", "apple bread", "door", 1),
    Labelled("b", "garden house, garden", "candle apple?", 0),
    Labelled("c", "door house", "apple", 1),
]
CPU = torch.device("cpu")


def text_to_text(made, items=ITEMS, how=None, **changes):
    model, vocab, objective = made
    return TextToText(
        model, Assignment(vocab, task(items, **{"train": tuple(items)} | changes), how or FineTuning(), objective)
    )


def test_t5_reads_a_sentence(pretrained):
    _, vocab, _ = made = pretrained("t5")
    adapted = text_to_text(made, name="toy", fields=("sentence",))
    (reading,) = adapted.readings([Labelled("a", "apple door", None, 1)])
    whole = vocab.encode_batch(["toy sentence: apple door"])[0].tolist()
    assert reading.orders == ({"inputs": [*whole, vocab.eod_id], "input_segments": [1] * (len(whole) + 1)},)


@pytest.mark.parametrize(("family", "frame"), [("t5", ("", "</s>")), ("bart", ("<s>", "</s>"))])
def test_a_pair_is_one_text(pretrained, family, frame):
    _, vocab, _ = made = pretrained(family)
    inputs = text_to_text(made).readings(ITEMS)[0].orders[0]["inputs"]
    whole = vocab.encode_batch(["toy sentence1: apple bread sentence2: door"])[0].tolist()
    ids = vocab.tokenizer.get_vocab()
    assert inputs == [*(ids[name] for name in frame[:1] if name), *whole, ids[frame[1]]]


@given(st.lists(st.sampled_from("ab 1.,\u00e9'\n"), min_size=1).map("".join).map(lambda s: f"x{s}x"))
def test_pieces_are_the_tokens_of_the_whole(vocabs, text):
    for vocab in (vocabs["t5"], vocabs["bart"]):
        whole, *pieces = vocab.encode_batch([f"toy a: {text} b: {text}", "toy a:", f" {text}", " b:", f" {text}"])
        assert [token for piece in pieces for token in piece] == whole.tolist()


def test_fields_stand_by_name(pretrained):
    """T5's mnli begins with the hypothesis, which comes second elsewhere."""
    _, vocab, _ = made = pretrained("bart")
    adapted = text_to_text(made, name="mnli", fields=("premise", "hypothesis"))
    inputs = adapted.readings(ITEMS)[0].orders[0]["inputs"]
    assert vocab.decode(inputs) == "<s>mnli hypothesis: door premise: apple bread</s>"


def test_names_survive_long_texts(pretrained):
    _, vocab, _ = made = pretrained("bart")
    long = Labelled("a", "apple " * 90, "door " * 90, 1)
    room = len(text_to_text(made).readings([Labelled("a", "apple apple", "door door", 1)])[0].orders[0]["inputs"])
    (reading,) = text_to_text(made, how=FineTuning(max_tokens=room)).readings([long])
    assert vocab.decode(reading.orders[0]["inputs"]) == "<s>toy sentence1: apple apple sentence2: door door</s>"
    assert reading.cut


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_the_loss_by_hand(randomised, family):
    """The mean of -ln p over label words and their ends, each item alone and without padding."""
    _, vocab, _ = made = randomised(family)
    adapted = text_to_text(made)
    readings, nats, n_tokens = adapted.readings(ITEMS), 0.0, 0
    ids = vocab.tokenizer.get_vocab()
    start = [ids["<pad>"]] if family == "t5" else [ids["</s>"]]
    begin = [] if family == "t5" else [ids["<s>"]]
    with torch.no_grad():
        for reading, word in zip(readings, ("yes", "no", "yes"), strict=True):
            target = [*begin, *vocab.encode_batch([word])[0].tolist(), ids["</s>"]]
            row = {"inputs": [reading.orders[0]["inputs"]], "tokens": [start + target[:-1]]}
            logits_TV = adapted.model({name: torch.tensor(value) for name, value in row.items()})[0]
            nats += float(F.cross_entropy(logits_TV, torch.tensor(target), reduction="sum"))
            n_tokens += len(target)
        loss = adapted.loss(collated(readings, adapted.room, CPU))
    assert float(loss) == pytest.approx(nats / n_tokens, rel=1e-4)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_it_writes_what_a_search_of_width_1_finds(randomised, family):
    _, vocab, _ = made = randomised(family, tied=False)  # tied, BART would say what it has said
    adapted = text_to_text(made)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in adapted.model.parameters():
            if weight.ndim == 2:
                weight.normal_()
    readings = adapted.readings(ITEMS)
    written = adapted._written(collated(readings, adapted.room, CPU)).tolist()
    assert len({tuple(row) for row in written}) > 1
    for reading, row in zip(readings, written, strict=True):
        beams = Beams(width=1, max_tokens=adapted.longest)
        decoding = Decoding(adapted.model, reading.orders[0]["inputs"])
        found = searched(decoding, [adapted._start], beams, vocab.eod_id)[0].tokens
        assert row[: len(found)] == found


def answers(adapted, texts, monkeypatch):
    """What a model would have said that wrote these."""
    end = [adapted.vocab.eod_id]
    rows = [[*adapted.vocab.encode_batch([text.removesuffix("...")])[0].tolist(), *end] for text in texts]
    rows = [row[:-1] if text.endswith("...") else row for row, text in zip(rows, texts, strict=True)]
    monkeypatch.setattr(adapted, "_written", lambda batch: padded(rows, adapted.vocab.encode_batch(["no"])[0][0], 0))
    return adapted.answers({})


def test_a_text_that_is_no_label_is_wrong(pretrained, monkeypatch):
    adapted = text_to_text(pretrained("t5"))
    said = answers(adapted, ["yes", "no", "door", "yes yes", "", "yes..."], monkeypatch)
    assert said == [1, 0, NO_LABEL, NO_LABEL, NO_LABEL, NO_LABEL]


def test_a_text_that_is_no_number_is_wrong(pretrained, monkeypatch):
    items = [item._replace(label=y) for item, y in zip(ITEMS, (2.57, 0, 3.8), strict=True)]
    adapted = text_to_text(pretrained("t5"), items, labels=())
    said = answers(adapted, ["2.6", "0", "door", "", "3.8..."], monkeypatch)
    assert said == [2.6, 0.0, NO_SCORE, NO_SCORE, NO_SCORE]


def test_what_is_no_finite_number():
    assert [score(text) for text in ("1.0", "nan", "inf", "1.0.0")] == [1.0, NO_SCORE, NO_SCORE, NO_SCORE]


@pytest.mark.parametrize(("value", "said"), [(2.57, "2.6"), (3, "3.0"), (0.09, "0.0"), (4.9, "4.8"), (5.0, "5.0")])
def test_scores_are_told_in_steps_of_a_fifth(value, said):
    """4.9 is 24.5 fifths; the even one is taken."""
    assert spoken(value) == said


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_gradients_reach_all_weights(randomised, family):
    adapted = text_to_text(randomised(family))
    adapted.loss(collated(adapted.readings(ITEMS), adapted.room, CPU)).backward()
    still = [name for name, weight in adapted.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not still


def test_labels_that_cannot_be_written(pretrained):
    with pytest.raises(ConfigError, match="cannot write and tell apart"):
        text_to_text(pretrained("t5"), labels=("\u4e2d", "\u6587"))


def test_a_vocabulary_without_the_frame(pretrained):
    model, _, objective = pretrained("t5", vocab=420)
    vocab = Vocab.of(train("bpe-bytes", ["yes no"], 300))
    with pytest.raises(ConfigError, match="no pad token"):
        text_to_text((model, vocab, objective))
