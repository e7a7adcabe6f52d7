"""Families by name. A family is a file here, one in `training/models/` under the same name, and a line in each table.

No torch in this package.
"""

from training.families.bart import BART
from training.families.bert import BERT
from training.families.family import Family
from training.families.gpt import GPT
from training.families.gpt2 import GPT2
from training.families.llama import LLAMA
from training.families.roberta import ROBERTA
from training.families.t5 import T5, T5_LM

FAMILIES: dict[str, Family] = {
    "bart": BART,
    "bert": BERT,
    "gpt": GPT,
    "gpt2": GPT2,
    "llama": LLAMA,
    "roberta": ROBERTA,
    "t5": T5,
    "t5-lm": T5_LM,
}

__all__ = ["FAMILIES", "Family"]
