"""Models as Hugging Face's transformers has them: a folder of `config.json` and `model.safetensors`, both ways.

A family is a module here with the names of the classes that it reads (`ARCHITECTURES`), `to_hf` and `from_hf`, and one
line in the table. transformers itself is never imported, and no code in a folder is run.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from corpus.errors import ConfigError, DataError
from tokenizer.specials import Specials
from training.generation.decoding import decoder_start
from training.interop import bart, bert, gpt, gpt2, llama, roberta, t5
from training.interop.naming import State
from training.interop.settings import Config
from training.models import Model
from training.spec import ModelSpec


class Interop(Protocol):
    """What a family's module has."""

    ARCHITECTURES: tuple[str, ...]

    def to_hf(self, model: Any, /) -> tuple[Config, State]:
        """Their config, with `architectures` and `model_type`, and the weights in their names, tied ones once."""

    def from_hf(self, config: Mapping[str, Any], state: Mapping[str, Tensor], /) -> Model:
        """The model; DataError where config and weights are not whole, or have what ours cannot."""


INTEROP: dict[str, Interop] = {
    "bart": bart,
    "bert": bert,
    "gpt": gpt,
    "gpt2": gpt2,
    "llama": llama,
    "roberta": roberta,
    "t5": t5,
}


def to_hf(model: Model) -> tuple[Config, State]:
    """Their config and weights of any model of ours."""
    if model.spec.family not in INTEROP:
        raise ConfigError(f'family "{model.spec.family}" cannot be exported; those that can: {", ".join(INTEROP)}')
    return INTEROP[model.spec.family].to_hf(model)


def from_hf(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> Model:
    """Our model, in eval mode, of the class that their config names; DataError for one that we do not have."""
    named = config.get("architectures") or []
    for family in INTEROP.values():
        if isinstance(named, list) and len(named) == 1 and named[0] in family.ARCHITECTURES:
            return family.from_hf(config, state)
    known = ", ".join(name for family in INTEROP.values() for name in family.ARCHITECTURES)
    raise DataError(f'config architectures is {named!r}; it must be one of {known}, as in ["{known.split(",")[0]}"]')


def export(model: Model, folder: Path, specials: Specials | None = None) -> None:
    """Writes what `from_pretrained(folder)` of transformers reads; with a vocabulary's special tokens, also where its
    `generate` begins and ends."""
    config, state = to_hf(model)
    if model.spec.family == "roberta" and specials is not None and specials.pad != config["pad_token_id"]:
        raise ConfigError(
            f"padding is token {specials.pad}; {config['architectures'][0]} counts positions from token 1, so it needs "
            f"the special tokens of roberta"
        )
    folder.mkdir(parents=True, exist_ok=True)
    whole = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(whole, folder / "model.safetensors", metadata={"format": "pt"})
    _write(folder / "config.json", config)
    if specials is not None and model.spec.kind != "encoder":
        _write(folder / "generation_config.json", _ends(model.spec, specials))


def _ends(spec: ModelSpec, specials: Specials) -> Config:
    """Their names for the special tokens. A decoder's texts begin after the end of another."""
    if spec.kind == "decoder":
        return {"bos_token_id": specials.eod, "eos_token_id": specials.eod, "pad_token_id": specials.eod}
    start = {"decoder_start_token_id": decoder_start(spec, specials)}
    return {**start, "eos_token_id": specials.eod, "pad_token_id": specials.pad}


def _write(path: Path, settings: Config) -> None:
    path.write_text(f"{json.dumps(settings, indent=2, sort_keys=True)}\n", encoding="utf-8")


def load(folder: Path) -> Model:
    """The model of such a folder; DataError where it cannot be read."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        state = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"no model can be read from {folder}: {error}; export or fetch it again") from error
    if not isinstance(config, dict):
        raise DataError(f"{folder / 'config.json'} is no table of settings; export or fetch it again")
    return from_hf(config, state)
