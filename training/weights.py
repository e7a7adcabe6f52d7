"""A trained model, read back from the files that `fit` leaves: no code in them is run."""

import json
from pathlib import Path

from safetensors.torch import load_model

from corpus.errors import DataError
from training import models
from training.models import Model
from training.spec import ModelSpec


def load(folder: Path) -> Model:
    """The model of `config.json` with the weights of `model.safetensors`; DataError where they are not whole."""
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model = models.build(ModelSpec(**said["model"]))
        load_model(model, str(folder / "model.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(f"no model can be read from {folder}: {error}; train it again") from error
    return model.eval()
