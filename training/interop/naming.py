"""Weights under other names: a family's tensors as another library calls them, and back.

A rule is a pair of patterns, ours and theirs; `{n}` (any word in braces) stands for one part between dots, the same on
both sides: ("blocks.{n}.attention.query.{p}", "encoder.{n}.q.{p}") goes for weight and bias of every layer.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from corpus.errors import DataError
from training.models import Model, build
from training.spec import ModelSpec

Rules = Sequence[tuple[str, str]]
State = dict[str, Tensor]


def renamed(state: Mapping[str, Tensor], rules: Rules) -> State:
    """The same tensors under the right names of the first rule that fits; DataError for a name that no rule knows, and
    for two that would be one."""
    compiled = [(_matcher(left), right) for left, right in rules]
    out: State = {}
    for name, tensor in state.items():
        new = next((right.format(**m.groupdict()) for left, right in compiled if (m := left.fullmatch(name))), None)
        if new is None:
            raise DataError(f'weight "{name}" has no place in this model; is the folder of another family?')
        if new in out:
            raise DataError(f'weight "{name}" would be a second "{new}"; keep one of the two')
        out[new] = tensor
    return out


def backwards(rules: Rules) -> list[tuple[str, str]]:
    """The rules from theirs to ours."""
    return [(theirs, ours) for ours, theirs in rules]


def tensors(model: Model) -> State:
    """Its weights by name, a tied one under its first name only."""
    state, firsts = model.state_dict(), _firsts(model)
    return {name: state[name] for name in state if firsts[name] == name}


def filled(spec: ModelSpec, state: Mapping[str, Tensor]) -> Model:
    """A model of that spec, in eval mode, with these weights, each used once; a tied one may come under all its names.

    DataError where names or shapes are not the model's, or where tied weights differ.
    """
    if spec.n_params() > sum(tensor.numel() for tensor in state.values()):  # before memory is taken for it
        raise DataError(f"the config describes {spec.n_params():,} parameters, and the weights are fewer")
    model = build(spec)
    own, firsts = model.state_dict(), _firsts(model)
    _refuse("lacks", set(firsts.values()) - state.keys())
    _refuse("has besides", state.keys() - own.keys())
    _refuse("has in another shape", {name for name in state if state[name].shape != own[name].shape})
    twice = {name for name in state if firsts[name] != name}
    _refuse("has untied", {name for name in twice if not torch.equal(state[name], state[firsts[name]])})
    model.load_state_dict(dict(state), strict=False)
    return model.eval()


def _firsts(model: Model) -> dict[str, str]:
    """Each name of a weight -> the first name of the same weight."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(tensor), name) for name, tensor in model.state_dict(keep_vars=True).items()}


def _refuse(what: str, names: set[str]) -> None:
    if names:
        shown = ", ".join(sorted(names)[:5])
        raise DataError(
            f"the checkpoint {what} {len(names)} of the model's weights ({shown}); is its config that of its weights?"
        )


def _matcher(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", pattern)  # text and names of holes in turn
    return re.compile("".join(re.escape(p) if i % 2 == 0 else f"(?P<{p}>[^.]+)" for i, p in enumerate(parts)))
