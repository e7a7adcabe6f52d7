from dataclasses import replace

import pytest
import torch

from corpus.errors import ConfigError
from training import models
from training.muon import MuonAdamW, orthogonal
from training.optim import FLOOR, optimizer, rate_share, set_rates


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8)])
def test_orthogonal_keeps_directions_and_levels_sizes(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    ours = orthogonal(matrix).float()
    sizes = torch.linalg.svdvals(ours)
    assert 0.3 < sizes.min() <= sizes.max() < 1.3
    assert torch.nn.functional.cosine_similarity(ours.flatten(), (u @ vh).flatten(), dim=0) > 0.95


def test_adamw_is_torchs():
    torch.manual_seed(0)
    ours, theirs = torch.randn(5, 3), None
    theirs = ours.clone()
    ours.requires_grad_()
    theirs.requires_grad_()
    steppers = (
        MuonAdamW([{"params": [ours], "weight_decay": 0.1}], lr=0.01),
        torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.1),
    )
    for _ in range(4):
        for weight, stepper in zip((ours, theirs), steppers, strict=True):
            stepper.zero_grad()
            weight.pow(3).sum().backward()
            stepper.step()
    torch.testing.assert_close(ours, theirs)


def test_muon_is_torchs():
    torch.manual_seed(0)
    ours = torch.randn(8, 12)
    theirs = ours.clone().requires_grad_()
    ours.requires_grad_()
    steppers = (
        MuonAdamW([{"params": [ours], "weight_decay": 0.1, "muon": True}], lr=0.01),
        torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(3):
        for weight, stepper in zip((ours, theirs), steppers, strict=True):
            stepper.zero_grad()
            weight.pow(3).sum().backward()
            stepper.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-4)


def test_every_parameter_is_in_one_group(config):
    model = models.build(config.model)
    matrices, embeddings, gains = optimizer(model, config).param_groups
    members = [id(weight) for group in (matrices, embeddings, gains) for weight in group["params"]]
    assert sorted(members) == sorted(id(weight) for weight in model.parameters())
    assert (matrices["muon"], embeddings["muon"], gains["muon"]) == (True, False, False)
    assert (matrices["weight_decay"], embeddings["weight_decay"], gains["weight_decay"]) == (0.1, 0, 0)
    assert all(weight.ndim == 2 for weight in matrices["params"])
    assert len(matrices["params"]) == 7 * config.model.layers


def test_rates_rise_and_fall(config):
    cosine = replace(config, steps=100, warmup_share=0.1)
    shares = [rate_share(step, cosine) for step in range(100)]
    assert shares[0] == pytest.approx(0.1, abs=1e-3)
    assert shares.index(max(shares)) == 9
    assert shares[-1] == pytest.approx(FLOOR, abs=1e-3)
    wsd = replace(cosine, schedule="wsd", decay_share=0.4)
    assert [rate_share(step, wsd) for step in (0, 9, 60, 80, 99)] == pytest.approx([0.1, 1, 1, 0.5, 0.025])
    stepper = optimizer(models.build(config.model), wsd)
    set_rates(stepper, 80, wsd)
    assert [group["lr"] for group in stepper.param_groups] == [
        0.5 * wsd.learning_rate,
        0.5 * wsd.embedding_learning_rate,
        0.5 * wsd.embedding_learning_rate,
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"objective": "clausal"}, 'objective "clausal" is unknown'),
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"schedule": "wsd", "warmup_share": 0.8}, "sum to 1 or less"),
        ({"warmup_share": 1.1}, r"warmup_share is 1\.1"),
        ({"decay_share": -0.1}, r"decay_share is -0\.1"),
        ({"seed": -1}, "seed is -1"),
        ({"objective": "masked"}, "of kind encoder, .* is of kind decoder; take one of causal, prefix_lm"),
        ({"objective_options": {"specials": 3}}, "has no field specials; its fields: document_mask"),
    ],
)
def test_a_wrong_config_says_what_is_wrong(fields, message, config):
    with pytest.raises(ConfigError, match=message):
        replace(config, **fields)


def test_a_cosine_has_no_decay_to_leave_room_for(config):
    assert replace(config, warmup_share=0.8).schedule == "cosine"
