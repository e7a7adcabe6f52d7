"""A prefix LM's prompt sees all of itself, with and without a cache; a causal LM's never does."""

import pytest
import torch

from training import models
from training.generation.decoding import Decoding, opened
from training.generation.frame import Frame
from training.spec import ModelSpec

FAMILIES = [("t5-lm", {"relative_both_ways": True}), ("gpt", {}), ("gpt2", {}), ("llama", {})]


@pytest.mark.parametrize(("family", "options"), FAMILIES)
def test_the_prompt_sees_all_of_itself(family, options):
    torch.manual_seed(2)
    spec = ModelSpec(family=family, layers=2, width=16, heads=2, ffn=24, vocab=40, context=24, **options)
    model = models.build(spec).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.4)
    line = [[3, 7, 9, 11]]
    cached, again = (Decoding(model, prefix=True, cached=cached) for cached in (True, False))
    for token in (5, 8, 2):
        tokens_BT = torch.tensor(line)
        prefix_BT = torch.arange(tokens_BT.shape[1])[None] < 4
        with torch.no_grad():
            asked = model({"tokens": tokens_BT, "prefix": prefix_BT})[:, -1]
            blind = model({"tokens": tokens_BT})[:, -1]
        torch.testing.assert_close(cached.after(tokens_BT), asked, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(again.after(tokens_BT), asked, atol=1e-5, rtol=1e-4)
        assert (asked - blind).abs().max() > 1e-2
        line = [[*line[0], token]]


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@torch.no_grad()
def test_the_objective_decides(vocabs, family):
    """Not the family: the same weights read a prompt as they were taught to."""
    vocab = vocabs[family]
    torch.manual_seed(1)
    spec = ModelSpec(family=family, layers=2, width=16, heads=2, ffn=24, vocab=vocab.size, context=24)
    model = models.build(spec).eval()
    for weight in model.parameters():
        weight.normal_(std=0.4)
    logits = {}
    for objective in ("causal", "prefix_lm"):
        decoding, line = opened(model, vocab, "two and one", Frame.of(objective, vocab.specials))
        batch = {"tokens": torch.tensor([line])}
        if objective == "prefix_lm":
            batch["prefix"] = torch.ones_like(batch["tokens"])
        logits[objective] = decoding.after(batch["tokens"])
        torch.testing.assert_close(logits[objective], model(batch)[:, -1], rtol=1e-4, atol=1e-4)
    assert (logits["causal"] - logits["prefix_lm"]).abs().max() > 1e-2
