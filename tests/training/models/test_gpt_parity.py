"""GPT against OpenAIGPTLMHeadModel, GPT-2 against GPT2LMHeadModel."""

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
from transformers import GPT2Config, GPT2LMHeadModel, OpenAIGPTConfig, OpenAIGPTLMHeadModel

from corpus.errors import ConfigError, DataError
from training import interop, models
from training.models.positions import document_positions
from training.spec import ModelSpec

SHAPE = {
    "vocab_size": 97, "n_positions": 24, "n_embd": 32, "n_layer": 2, "n_head": 4,
    "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip


def gpt(**changes):
    torch.manual_seed(0)
    return randomised(OpenAIGPTLMHeadModel(OpenAIGPTConfig(**SHAPE | changes)))


def gpt2(**changes):
    torch.manual_seed(0)
    return randomised(GPT2LMHeadModel(GPT2Config(**SHAPE | {"attn_implementation": "sdpa"} | changes)))


THEIRS = {
    "gpt": gpt,
    "gpt, untied": lambda: gpt(tie_word_embeddings=False),
    "gpt2": gpt2,
    "gpt2, untied, narrow": lambda: gpt2(tie_word_embeddings=False, n_inner=40),
}


def drawn(seed, shape):
    return torch.randint(0, 97, shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=THEIRS)
def plain(request):
    tokens_BT = drawn(1, (3, 20))
    return Case(
        theirs=THEIRS[request.param](),
        batch={"tokens": tokens_BT, "targets": drawn(2, (3, 20))},
        inputs={"input_ids": tokens_BT},
    )


def test_logits(plain):
    assert_same_logits(plain)


def test_padded_rows(plain):
    tokens_BT = drawn(3, (3, 24))
    segments_BT = (torch.arange(24)[None] < torch.tensor([[24], [9], [17]])).long()
    inputs = {"input_ids": tokens_BT, "attention_mask": segments_BT}
    assert_same_logits(Case(theirs=plain.theirs, batch={"tokens": tokens_BT, "segments": segments_BT}, inputs=inputs))


def test_packed_documents(plain):
    tokens_BT = drawn(4, (2, 24))
    segments_BT = torch.tensor([[1] * 5 + [2] * 12 + [3] * 7, [1] * 16 + [2] * 4 + [0] * 4])
    mask_B1TK = document_mask_B1TK(segments_BT, segments_BT, causal=True)
    inputs = {"input_ids": tokens_BT, "position_ids": document_positions(segments_BT)}
    if isinstance(plain.theirs, OpenAIGPTLMHeadModel):  # it takes no such mask, but keeps one of its own
        for block in plain.theirs.transformer.h:
            block.attn.bias = mask_B1TK.float()
    else:
        inputs["attention_mask"] = mask_B1TK
    assert_same_logits(Case(theirs=plain.theirs, batch={"tokens": tokens_BT, "segments": segments_BT}, inputs=inputs))


def test_round_trip(plain):
    assert_round_trip(plain)


def test_exported_folders_load(plain, tmp_path):
    assert_loads_there_and_here(plain, tmp_path)


def test_learns_alike(plain):
    assert_learns_alike(plain)


@pytest.mark.parametrize(
    ("name", "count", "their_class", "their_shape"),
    [
        ("gpt", 116_534_784, OpenAIGPTLMHeadModel, OpenAIGPTConfig()),
        ("gpt2", 124_439_808, GPT2LMHeadModel, GPT2Config()),
        ("gpt2-medium", 354_823_168, GPT2LMHeadModel, GPT2Config(n_layer=24, n_embd=1024, n_head=16)),
        ("gpt2-large", 774_030_080, GPT2LMHeadModel, GPT2Config(n_layer=36, n_embd=1280, n_head=20)),
        ("gpt2-xl", 1_557_611_200, GPT2LMHeadModel, GPT2Config(n_layer=48, n_embd=1600, n_head=25)),
    ],
)
def test_published_sizes(name, count, their_class, their_shape):
    assert_published_size(name, count, lambda: their_class(their_shape))


@pytest.mark.parametrize("make", [gpt, gpt2])
def test_published_files_have_shorter_names_and_masks(make):
    """The files on the hub are of the model without its head, and hold causal masks."""
    theirs = make()
    state = {name.removeprefix("transformer."): tensor for name, tensor in theirs.state_dict().items()}
    del state["lm_head.weight"]
    state |= {f"h.{n}.attn.bias": torch.ones(24, 24).tril()[None, None] for n in (0, 1)}
    tokens = {"tokens": drawn(5, (2, 9))}
    torch.testing.assert_close(
        interop.from_hf(their_config(theirs), state)(tokens),
        interop.from_hf(their_config(theirs), theirs.state_dict())(tokens),
        rtol=0,
        atol=0,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"activation_function": "relu"}, "activation_function is 'relu'; only 'gelu_new'"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"n_embd": 31}, "describes no model"),
        ({"n_embd": "os.system"}, "n_embd is 'os.system'"),
        ({"n_layer": 10**12}, "weights are fewer"),
        ({"n_positions": 23}, "another shape 1 of the model's weights .decoder.positions.weight"),
        ({"n_layer": True}, "n_layer is True"),
    ],
)
def test_what_cannot_be_read_is_said(change, said):
    theirs = gpt2()
    with pytest.raises(DataError, match=said):
        interop.from_hf(their_config(theirs) | change, theirs.state_dict())


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda state: state.pop("transformer.ln_f.bias"), "lacks 1 of the model's weights .norm.bias"),
        (lambda state: state.update({"transformer.wse.weight": torch.ones(2)}), "has no place"),
        (lambda state: state.update({"transformer.h.0.attn.c_attn.weight": torch.ones(2)}), "lacks 3"),
        (lambda state: state.update({"transformer.h.0.attn.c_attn.bias": torch.tensor(1.0)}), "lacks"),
        (lambda state: state.update({"lm_head.weight": torch.ones(97, 32)}), "untied"),
        (lambda state: state.update({"wte.weight": torch.ones(97, 32)}), "wte.weight.* has no place"),
    ],
)
def test_weights_that_do_not_fit_are_said(edit, said):
    theirs = gpt2()
    state = dict(theirs.state_dict())
    edit(state)
    with pytest.raises(DataError, match=said):
        interop.from_hf(their_config(theirs), state)


def test_folders_run_no_code(tmp_path):
    interop.export(models.build(spec("gpt2")), tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"\x80\x04\x95not safetensors but a pickle")
    with pytest.raises(DataError, match="no model can be read"):
        interop.load(tmp_path)
    for content in ("[]", "{", '{"architectures": [["GPT2LMHeadModel"]]}'):
        interop.export(models.build(spec("gpt2")), tmp_path)
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(DataError):
            interop.load(tmp_path)
    with pytest.raises(DataError, match="export or fetch"):
        interop.load(tmp_path / "nowhere")


def spec(family, **changes):
    shape = {"layers": 2, "width": 32, "heads": 4, "ffn": 128, "vocab": 97, "context": 24}
    return ModelSpec(family=family, **shape | changes)


def test_a_narrow_gpt_has_no_place_there(tmp_path):
    with pytest.raises(ConfigError, match="4 x width = 128"):
        interop.export(models.build(spec("gpt", ffn=100)), tmp_path)


@pytest.mark.parametrize("family", ["gpt", "gpt2"])
def test_there_are_no_positions_beyond_the_context(family):
    model = models.build(spec(family))
    with pytest.raises(ConfigError, match="25 tokens are more than the context of 24"):
        model({"tokens": drawn(0, (1, 25))})


def test_initial_weights_are_the_references():
    torch.manual_seed(0)
    model = models.build(spec("gpt2", width=128, ffn=512, vocab=500, context=200))
    std = {name: weight.std().item() for name, weight in model.named_parameters() if weight.dim() == 2}
    assert std["decoder.tokens.weight"] == pytest.approx(0.02, rel=0.03)
    assert std["decoder.positions.weight"] == pytest.approx(0.01, rel=0.03)
    assert std["decoder.blocks.1.attention.query.weight"] == pytest.approx(0.02, rel=0.03)
    assert std["decoder.blocks.1.attention.out.weight"] == pytest.approx(0.01, rel=0.03)  # 0.02 / sqrt(2 x 2 layers)
    assert std["decoder.blocks.0.ffn.down.weight"] == pytest.approx(0.01, rel=0.03)
    torch.manual_seed(0)
    again = models.build(model.spec).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in model.state_dict().items())
