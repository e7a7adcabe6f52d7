"""A text is put to a model as its objective put texts to it."""

import json

import numpy as np
import pytest

from corpus.errors import ConfigError, DataError
from training import interop, models
from training.generation.decoding import opened
from training.generation.frame import Frame, natural
from training.objective import Row
from training.objectives import OBJECTIVES, objective
from training.spec import ModelSpec


@pytest.mark.parametrize("name", [name for name, known in OBJECTIVES.items() if known.kind == "encoder-decoder"])
def test_frames_are_those_of_examples(vocabs, name):
    """What each objective puts around the text of an example, and what its decoder begins with."""
    vocab = vocabs["bart" if name == "bart" else "t5"]
    (ids,) = vocab.encode_batch(["one and two make four. " * 4])
    options = {"permute": 0.0, "infill": 0.0} if name == "bart" else {}
    task = objective(name, specials=vocab.specials, **options)
    example = task.draw(Row(ids.astype(np.int64)), np.random.default_rng(0))
    inputs = [i for i in example["inputs_I"].tolist() if i != vocab.specials.pad]
    frame = Frame.of(name, vocab.specials)
    assert example["tokens_T"][0] == frame.decoder_start
    assert tuple(inputs[-len(frame.after) :]) == frame.after
    assert (inputs[0] == vocab.specials.start) == bool(frame.before)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_either_family_may_have_either_objective(vocabs, family):
    vocab = vocabs["bart"]
    spec = ModelSpec(family=family, layers=1, width=16, heads=2, ffn=24, vocab=vocab.size, context=24)
    model = models.build(spec).eval()
    for name, first in (("bart", vocab.eod_id), ("deshuffle", vocab.specials.pad)):
        assert opened(model, vocab, "one", Frame.of(name, vocab.specials))[1] == [first]


def test_an_exported_folder_says_how(speaker, vocabs, tmp_path):
    vocab = vocabs["bart"]
    for family, name in (("bart", "deshuffle"), ("gpt2", "prefix_lm"), ("gpt2", None), ("bart", None)):
        model, folder = speaker(family)[0], tmp_path / f"{family}-{name}"
        interop.export(model, folder, vocab.specials, name)
        expected = Frame.of(name or natural(model.spec), vocab.specials)
        assert interop.frame(folder, model.spec, vocab.specials) == expected
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
        assert set(modes.values()) == {0o644}
        assert modes.keys() == {"config.json", "generation_config.json", "model.safetensors"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"millstream_objective": "causal"}, "none for models of kind encoder-decoder"),
        ({"millstream_objective": "?"}, "none for models of kind"),
        ({"decoder_start_token_id": 10**6}, "must be a token"),
        ({"decoder_start_token_id": "1"}, "must be a token"),
    ],
)
def test_a_folder_that_says_what_cannot_be(speaker, tmp_path, change, said):
    model, vocab = speaker("t5")
    (tmp_path / "config.json").write_text(json.dumps(change))
    with pytest.raises(DataError, match=said):
        interop.frame(tmp_path, model.spec, vocab.specials)


def test_another_librarys_start_is_kept(speaker, tmp_path):
    model, vocab = speaker("t5")
    (tmp_path / "config.json").write_text('{"decoder_start_token_id": 7}')
    assert interop.frame(tmp_path, model.spec, vocab.specials).decoder_start == 7


def test_what_a_frame_needs_is_said(vocabs):
    for name in ("bart", "span_corruption"):
        with pytest.raises(ConfigError, match="the vocabulary has no"):
            Frame.of(name, vocabs["gpt2"].specials)
