"""Models by family: the name in a ModelSpec -> the class that is built from it. Adding one is a file and a line here,
and what is known of it without torch in `training/families/`."""

from training.models.bart import Bart
from training.models.bert import Bert
from training.models.gpt import Gpt
from training.models.gpt2 import Gpt2
from training.models.llama import Llama
from training.models.model import Batch, Model, Term
from training.models.roberta import Roberta
from training.models.t5 import T5, T5LM
from training.spec import ModelSpec

MODELS: dict[str, type[Model]] = {
    "bart": Bart,
    "bert": Bert,
    "gpt": Gpt,
    "gpt2": Gpt2,
    "llama": Llama,
    "roberta": Roberta,
    "t5": T5,
    "t5-lm": T5LM,
}


def build(spec: ModelSpec) -> Model:
    """A freshly initialised model; its weights follow torch's global seed."""
    return MODELS[spec.family](spec)


__all__ = ["MODELS", "Batch", "Model", "Term", "build"]
