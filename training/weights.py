"""A trained model, read back from the files that `fit` leaves: no code in them is run."""

import json
from pathlib import Path
from typing import NamedTuple

from safetensors.torch import load_model

from corpus.errors import DataError
from training import models
from training.models import Model
from training.spec import ModelSpec


class Trained(NamedTuple):
    """A model, the objective that it learnt by, and the vocabulary that it speaks."""

    model: Model
    objective: str
    vocab_digest: str


def trained(folder: Path) -> Trained:
    """What `config.json` says, with the weights of `model.safetensors`; DataError where they are not whole."""
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model = models.build(ModelSpec(**said["model"]))
        objective, vocab_digest = said["training"]["objective"], said["vocab_digest"]
        load_model(model, str(folder / "model.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(f"no model can be read from {folder}: {error}; train it again") from error
    return Trained(model.eval(), objective, vocab_digest)
