"""Llama against LlamaForCausalLM, and with unit queries and keys against Qwen3ForCausalLM."""

import pytest
import torch
from hf_parity import (
    Case,
    assert_learns_alike,
    assert_loads_there_and_here,
    assert_published_size,
    assert_round_trip,
    assert_same_logits,
    document_mask_B1TK,
    randomised,
    their_config,
)
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

from corpus.errors import DataError
from training import interop
from training.models.positions import document_positions

SHAPE = {
    "vocab_size": 97, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 24, "attn_implementation": "sdpa", "rms_norm_eps": 1e-5,
}  # fmt: skip


def llama(**changes):
    torch.manual_seed(0)
    return randomised(LlamaForCausalLM(LlamaConfig(**SHAPE | changes)))


def qwen3(**changes):
    """Gains of queries and keys stay one, as ours has none."""
    torch.manual_seed(0)
    theirs = randomised(Qwen3ForCausalLM(Qwen3Config(**SHAPE | {"head_dim": 8} | changes)))
    for name, weight in theirs.named_parameters():
        if name.endswith(("q_norm.weight", "k_norm.weight")):
            torch.nn.init.ones_(weight).requires_grad_(False)
    return theirs


THEIRS = {
    "llama": llama,
    "llama, tied": lambda: llama(tie_word_embeddings=True),
    "llama, wide heads, another base": lambda: llama(head_dim=12, rope_parameters=rope(500.0)),
    "qwen3": qwen3,
    "qwen3, tied, wide heads": lambda: qwen3(tie_word_embeddings=True, head_dim=16, num_key_value_heads=4),
}


def rope(base):
    return {"rope_type": "default", "rope_theta": base}


def drawn(seed, shape):
    return torch.randint(0, 97, shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=THEIRS)
def plain(request):
    tokens_BT = drawn(1, (3, 24))
    return Case(
        theirs=THEIRS[request.param](),
        batch={"tokens": tokens_BT, "targets": drawn(2, (3, 24))},
        inputs={"input_ids": tokens_BT},
    )


def packed(theirs):
    tokens_BT = drawn(3, (2, 24))
    segments_BT = torch.tensor([[1] * 5 + [2] * 12 + [3] * 7, [1] * 16 + [2] * 4 + [0] * 4])
    mask_B1TK = document_mask_B1TK(segments_BT, segments_BT, causal=True)
    return Case(
        theirs=theirs,
        batch={"tokens": tokens_BT, "segments": segments_BT},
        inputs={
            "input_ids": tokens_BT, "attention_mask": mask_B1TK, "position_ids": document_positions(segments_BT),
        },
    )  # fmt: skip


def test_logits(plain):
    assert_same_logits(plain)


def test_packed_documents(plain):
    assert_same_logits(packed(plain.theirs))


def test_round_trip(plain):
    assert_round_trip(plain)


def test_exported_folders_load(plain, tmp_path):
    assert_loads_there_and_here(plain, tmp_path)


def test_learns_alike(plain):
    assert_learns_alike(plain)


def test_published_size():
    assert_published_size("llama-7b", 6_738_415_616, lambda: LlamaForCausalLM(LlamaConfig()))
    assert_published_size("llama-13b", 13_015_864_320)
    assert_published_size("llama-65b", 65_285_660_672)


def test_an_older_config_keeps_the_base_elsewhere():
    theirs = llama()
    config = their_config(theirs)
    del config["rope_parameters"]
    assert interop.from_hf(config | {"rope_theta": 123.0}, theirs.state_dict()).spec.rope_base == 123.0
    assert interop.from_hf(config, theirs.state_dict()).spec.rope_base == 10_000.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0}}, "only plain rotary"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling"),
        ({"attention_bias": True}, "attention_bias is True"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"vocab_size": "97"}, "vocab_size is '97'; it must be int"),
        ({"num_hidden_layers": 10**9}, "parameters, and the weights are fewer"),
        ({"num_hidden_layers": 1}, "has no place|has besides"),
        ({"hidden_size": None}, "hidden_size is None"),
        ({"num_attention_heads": 3}, "describes no model"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "must be one of .*LlamaForCausalLM"),
        ({"architectures": "x"}, "must be one of"),
    ],
)
def test_what_cannot_be_read_is_said(change, said):
    theirs = llama()
    with pytest.raises(DataError, match=said):
        interop.from_hf(their_config(theirs) | change, theirs.state_dict())


def test_gains_of_queries_must_be_one():
    theirs = qwen3()
    theirs.state_dict()["model.layers.1.self_attn.k_norm.weight"][3] = 1.5
    with pytest.raises(DataError, match="1 gains of queries and keys are not one"):
        interop.from_hf(their_config(theirs), theirs.state_dict())
