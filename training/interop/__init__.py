"""Models as Hugging Face's transformers has them: a folder of `config.json` and `model.safetensors`, both ways.

A family is a module here with the names of the classes that it reads (`ARCHITECTURES`), `to_hf` and `from_hf`, and one
line in the table. transformers itself is never imported, and no code in a folder is run.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from corpus.errors import ConfigError, DataError
from tokenizer.specials import Specials
from training.generation.frame import Frame, natural
from training.interop import bart, bert, gpt, gpt2, llama, roberta, t5
from training.interop.naming import State
from training.interop.settings import Config
from training.models import Model
from training.objectives import OBJECTIVES
from training.spec import ModelSpec

OBJECTIVE = "millstream_objective"
"""Our own entry of config.json, which transformers keeps and does not read."""


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


def export(model: Model, folder: Path, specials: Specials | None = None, objective: str | None = None) -> None:
    """Writes what `from_pretrained(folder)` of transformers reads; with a vocabulary's special tokens, also where its
    `generate` begins and ends, as the objective had it."""
    config, state = to_hf(model)
    if model.spec.family == "roberta" and specials is not None and specials.pad != config["pad_token_id"]:
        raise ConfigError(
            f"padding is token {specials.pad}; {config['architectures'][0]} counts positions from token 1, so it needs "
            f"the special tokens of roberta"
        )
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors makes files that only their owner may read
    ids = {} if specials is None else _ids(model.spec, specials, objective or natural(model.spec))
    named = {} if objective is None else {OBJECTIVE: objective}
    _write(folder / "config.json", config | ids | named)
    if specials is not None and model.spec.kind != "encoder":
        _write(folder / "generation_config.json", {"pad_token_id": specials.eod} | ids)


def _ids(spec: ModelSpec, specials: Specials, objective: str) -> Config:
    """Their names for the special tokens that there are. A decoder's texts begin after the end of another."""
    ids = {
        "bos_token_id": specials.eod if spec.kind == "decoder" else specials.start,
        "decoder_start_token_id": Frame.of(objective, specials).decoder_start,
        "eos_token_id": specials.eod,
        "pad_token_id": specials.pad,
    }
    return {name: i for name, i in ids.items() if i is not None}


def _write(path: Path, settings: Config) -> None:
    path.write_text(f"{json.dumps(settings, indent=2, sort_keys=True)}\n", encoding="utf-8")
    path.chmod(0o644)


def load(folder: Path) -> Model:
    """The model of such a folder; DataError where it cannot be read."""
    config = _settings(folder / "config.json")
    try:
        state = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"no model can be read from {folder}: {error}; export or fetch it again") from error
    return from_hf(config, state)


def frame(folder: Path, spec: ModelSpec, specials: Specials) -> Frame:
    """How texts are put to the model of such a folder: as its files say, else as is natural to its family."""
    said = _settings(folder / "config.json")
    if (folder / "generation_config.json").exists():
        said |= _settings(folder / "generation_config.json")
    objective = said.get(OBJECTIVE, natural(spec))
    if objective not in OBJECTIVES or OBJECTIVES[objective].kind != spec.kind:
        raise DataError(f"config {OBJECTIVE} is {objective!r}, which is none for models of kind {spec.kind}; remove it")
    found = Frame.of(objective, specials)
    start = said.get("decoder_start_token_id")
    if found.decoder_start is None or start is None:
        return found
    if type(start) is not int or not 0 <= start < spec.vocab:
        raise DataError(f"config decoder_start_token_id is {start!r}; it must be a token, 0 to {spec.vocab - 1}")
    return replace(found, decoder_start=start)


def _settings(path: Path) -> Config:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"no model can be read from {path.parent}: {error}; export or fetch it again") from error
    if not isinstance(said, dict):
        raise DataError(f"{path} is no table of settings; export or fetch it again")
    return said
