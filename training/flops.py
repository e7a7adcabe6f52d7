"""Model FLOPs of training, from an example's features: what throughput and budgets count with. No torch."""

from collections.abc import Mapping

from training.families.multiplies import Positions
from training.objective import Feature
from training.spec import ModelSpec


def positions(features: Mapping[str, Feature], targets_per_row: float) -> Positions:
    """What each part of a model reads of a row, padding too."""
    inputs = features.get("inputs_I")
    return Positions(
        tokens=features["tokens_T"].length,
        inputs=inputs.length if inputs else 0,
        targets=targets_per_row,
        pairs=int("is_next_1" in features),
    )


def row_flops(spec: ModelSpec, features: Mapping[str, Feature], targets_per_row: float) -> int:
    """FLOPs of one row, forward and backward. `targets_per_row` is the mean number of targets, which is all that an
    encoder's heads look at; after a decoder every position is multiplied."""
    return spec.flops(positions(features, targets_per_row))
