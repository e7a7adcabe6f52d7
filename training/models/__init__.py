"""Model families: the name in a ModelSpec -> the class that is built from it. Adding one is a file and a line here,
and its count of parameters in `training/spec.py`."""

from training.models.decoder import Decoder
from training.spec import ModelSpec

FAMILIES: dict[str, type[Decoder]] = {"decoder": Decoder}


def build(spec: ModelSpec) -> Decoder:
    """A freshly initialised model; its weights follow torch's global seed."""
    return FAMILIES[spec.family](spec)


__all__ = ["FAMILIES", "Decoder", "build"]
