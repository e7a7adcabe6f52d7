"""The trainings of one architecture side by side: all arms, all seeds, all measures, and nothing missing.

Legend: A arms, S seeds, P points of a curve.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from corpus.errors import DataError
from training.evaluation.results import CellResult
from training.evaluation.statistics import Comparison, compare

Cell = tuple[str, str, int]
"""Architecture, arm, seed."""
Numbers = npt.NDArray[np.float64]

NAMED = 5


@dataclass(frozen=True)
class Trainings:
    """Cells by arm, of which the first is the baseline, and by seed."""

    architecture: str
    arms: Sequence[str]
    measures: Sequence[str]
    cells_AS: Sequence[Sequence[CellResult]]

    @classmethod
    def of(cls, cells: Mapping[Cell, CellResult], architecture: str, arms: Sequence[str], seeds: Sequence[int]) -> Self:
        """DataError unless every arm has every seed, and every cell the measures and items of the others."""
        wanted = [(architecture, arm, seed) for arm in arms for seed in seeds]
        _raise_for([_name(cell) for cell in wanted if cell not in cells])
        scores = {cell: cells[cell].measures for cell in wanted}
        measures = list(dict.fromkeys(measure for cell in wanted for measure in scores[cell]))
        _raise_for([f"{name} of {_name(cell)}" for cell in wanted for name in measures if name not in scores[cell]])
        first = scores[wanted[0]]
        _raise_for(
            [
                f"the items of {name} that {_name(wanted[0])} has for {_name(cell)}"
                for cell in wanted
                for name in measures
                if scores[cell][name].items != first[name].items
            ]
        )
        return cls(architecture, arms, measures, [[cells[architecture, arm, seed] for seed in seeds] for arm in arms])

    def values(self, measure: str) -> Numbers:
        """Scores [arms, seeds]."""
        return np.array([[cell.measures[measure].value for cell in cells_S] for cells_S in self.cells_AS])

    def compared(self, measure: str) -> list[Comparison]:
        """Each arm but the first with the first."""
        scores_AS = [[cell.measures[measure] for cell in cells_S] for cells_S in self.cells_AS]
        return compare(
            np.array([[scores.values for scores in scores_S] for scores_S in scores_AS]),
            np.array([[scores.weights for scores in scores_S] for scores_S in scores_AS]),
        )

    def curves(self) -> Iterator[tuple[str, list[int], Numbers]]:
        """Measures, the points in tokens that all trainings have, and the values there [points, arms, seeds]."""
        read_AS = [
            [{(name, tokens): value for tokens, name, value in cell.curve} for cell in cells_S]
            for cells_S in self.cells_AS
        ]
        shared = set.intersection(*(set(read) for read_S in read_AS for read in read_S))
        for measure in sorted({name for name, _ in shared}):
            points = sorted(tokens for name, tokens in shared if name == measure)
            yield measure, points, np.array([[[r[measure, n] for r in read_S] for read_S in read_AS] for n in points])


def _name(cell: Cell) -> str:
    architecture, arm, seed = cell
    return f"{architecture} on {arm} with seed {seed}"


def _raise_for(missing: Sequence[str]) -> None:
    if missing:
        more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
        raise DataError(f"no verdict without {'; '.join(missing[:NAMED])}{more}; train and evaluate what is missing")
