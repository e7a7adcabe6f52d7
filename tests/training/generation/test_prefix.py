"""A prefix LM's prompt sees all of itself, with and without a cache."""

import torch

from training import models
from training.generation.decoding import Decoding
from training.spec import ModelSpec


def test_the_prompt_sees_all_of_itself():
    torch.manual_seed(2)
    spec = ModelSpec(family="t5-lm", layers=2, width=16, heads=2, ffn=24, vocab=40, context=24, relative_both_ways=True)
    model = models.build(spec).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.4)
    line = [[3, 7, 9, 11]]
    cached, again = Decoding(model), Decoding(model, cached=False)
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
