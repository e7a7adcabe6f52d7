import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from corpus.errors import ConfigError
from training import models
from training.spec import ModelSpec, model, preset, presets

SMALL = ModelSpec(layers=2, width=32, heads=4, kv_heads=4, ffn=48, vocab=97, context=16)


@pytest.mark.parametrize(
    "spec",
    [SMALL, replace(SMALL, kv_heads=2, tied=False), replace(SMALL, kv_heads=1, layers=3)],
)
def test_parameters_are_counted_exactly(spec):
    assert spec.n_params() == sum(weight.numel() for weight in models.build(spec).parameters())


def test_a_named_size_is_built_with_the_count_that_it_tells():
    with torch.device("meta"):
        for name, fields in presets().items():
            if fields["layers"] * fields["width"] < 30_000:  # the larger ones have published counts to match
                spec = preset(name)
                assert spec.n_params() == sum(weight.numel() for weight in models.build(spec).parameters()), name


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"family": "encodre"}, 'model family "encodre" is unknown; known: .*llama'),
        ({"family": "gtp2"}, r"did you mean gpt2\? known: bart"),
        ({"layers": 0}, "model layers is 0"),
        ({"head_width": 9}, "head width 9 is odd"),
        ({"gated": True}, 'gated is True, but the family "llama" has no such option'),
        ({"kv_heads": 3}, "cannot share 3 kv_heads"),
        ({"rope_base": 0.0}, "rope_base 0.0"),
        ({"layers": 2.5}, "model: layers is 2.5; it must be a whole number"),
        ({"layers": "2"}, 'model: layers is "2"; it must be a whole number'),
        ({"family": "t5", "relative_buckets": 2}, "relative_buckets 2 must be 4 or more"),
        ({"family": "t5", "relative_distance": 16}, "relative_distance 16 above half of them"),
    ],
)
def test_a_wrong_spec_says_how_to_mend_it(fields, message):
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **fields)


def test_presets_take_the_recipes_vocabulary_and_context():
    spec = preset("tiny-decoder", vocab=1000, context=64)
    assert (spec.vocab, spec.context, spec.width) == (1000, 64, 256)
    with pytest.raises(ConfigError, match=r'"tiny" is unknown; did you mean .*known: .*tiny-decoder'):
        preset("tiny", vocab=1000, context=64)


def test_a_preset_keeps_its_family():
    assert preset("bert-base", family="bert") == preset("bert-base")
    with pytest.raises(ConfigError, match='"bert-base" is of the family "bert", not "gpt2"; leave family out'):
        preset("bert-base", family="gpt2")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layer": 2}, r"model has no field layer; did you mean layers\? its fields: family, layers"),
        ({"layers": 2, "width": 32}, "model lacks heads, ffn, vocab, context; give them"),
        ({"tied": 1}, "model: tied is 1; it must be true or false"),
    ],
)
def test_wrong_fields_are_named(fields, message):
    with pytest.raises(ConfigError, match=message):
        model(**fields)


def test_specs_and_objectives_do_not_import_torch():
    code = "import sys, training.spec, training.objectives, training.budget; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
