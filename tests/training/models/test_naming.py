import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DataError
from training import models
from training.interop.naming import backwards, filled, renamed, tensors
from training.spec import ModelSpec

RULES = [("blocks.{n}.query.{p}", "layer.{n}.q.{p}"), ("norm.weight", "ln.w"), ("blocks.{n}.last", "end.{n}")]


def state(*names):
    return {name: torch.tensor(float(i)) for i, name in enumerate(names)}


def test_names_of_layers():
    ours = state("norm.weight", "blocks.0.query.weight", "blocks.11.query.bias", "blocks.3.last")
    assert {name: int(value) for name, value in renamed(ours, RULES).items()} == {
        "ln.w": 0,
        "layer.0.q.weight": 1,
        "layer.11.q.bias": 2,
        "end.3": 3,
    }


@given(st.sets(st.tuples(st.integers(0, 99), st.sampled_from(["query.weight", "query.bias", "last"]))))
def test_there_and_back(layers):
    ours = state(*(f"blocks.{n}.{part}" for n, part in layers))
    assert renamed(renamed(ours, RULES), backwards(RULES)) == ours


@pytest.mark.parametrize(
    "name", ["norm.bias", "xnorm.weight", "normxweight", "blocks.1.2.query.weight", "blocks.0.last."]
)
def test_a_name_without_a_rule(name):
    with pytest.raises(DataError, match="has no place"):
        renamed(state(name), RULES)


def test_two_names_for_one():
    with pytest.raises(DataError, match='"b" would be a second "c"'):
        renamed(state("a", "b"), [("a", "c"), ("b", "c")])


def test_a_tied_weight_is_kept_once_and_read_under_both_names():
    spec = ModelSpec(layers=1, width=8, heads=2, ffn=8, vocab=11, context=4)
    model = models.build(spec)
    once = tensors(model)
    assert set(model.state_dict()) - set(once) == {"output.weight"}
    both = {**once, "output.weight": once["embedding.weight"].clone()}
    for weights in (once, both):
        again = filled(spec, weights)
        assert again.output.weight is again.embedding.weight
        assert torch.equal(again.output.weight, model.output.weight)
    both["output.weight"][3, 3] += 1
    with pytest.raises(DataError, match=r"untied 1 of the model's weights \(output.weight\)"):
        filled(spec, both)
