"""Language: measured by one stage, judged by another, so that another threshold does not run the model again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pyarrow as pa

from corpus.errors import ConfigError
from corpus.resources import LID176, Resource
from corpus.schema import MARKS, TEXT, mark, with_columns
from corpus.stage import Opened
from corpus.text.language import LANGUAGES, head, nearest

if TYPE_CHECKING:
    from corpus.text.lid import LanguageModel

MEASURES = pa.schema([pa.field("lang", pa.string()), pa.field("lang_score", pa.float32())])


@dataclass(frozen=True, kw_only=True)
class Language:
    """Writes `lang`, the likeliest label of fastText's lid.176, and `lang_score`, its probability rounded to 1e-4.

    The first 1,000 characters are read. Both are null where there are none. Limits: texts under some 50 characters
    are guesses; a text in no known language gets the nearest label with a low score.
    """

    name: ClassVar[str] = "language"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = TEXT
    writes: ClassVar[pa.Schema] = MEASURES
    drops: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[frozenset[str]] = frozenset()
    rows: ClassVar[Literal["same"]] = "same"
    guarded: ClassVar[bool] = False
    resources: ClassVar[tuple[Resource, ...]] = (LID176,)

    def open(self) -> Opened:
        from corpus.text.lid import LanguageModel  # compiled: a driver, which measures nothing, is spared numba

        model = LanguageModel(LID176.path().read_bytes())

        def measure(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            yield with_columns(batch, _measured(model, batch.column("text").to_pylist()))

        return measure


@dataclass(frozen=True, kw_only=True)
class LanguageFilter:
    """Keeps texts in the languages of `keep`, named by lid.176's codes, when the model is sure enough.

    Drops `other_language`, also where no language was measured, and `unsure_language` (a score under `min_score`).
    The default is FineWeb's threshold, https://arxiv.org/abs/2406.17557, section 3.3.
    """

    keep: tuple[str, ...]
    min_score: float = 0.65

    name: ClassVar[str] = "language_filter"
    version: ClassVar[int] = 1
    reads: ClassVar[pa.Schema] = MEASURES
    writes: ClassVar[pa.Schema] = MARKS
    drops: ClassVar[frozenset[str]] = frozenset()
    reasons: ClassVar[frozenset[str]] = frozenset({"other_language", "unsure_language"})
    rows: ClassVar[Literal["same"]] = "same"
    guarded: ClassVar[bool] = False
    resources: ClassVar[tuple[Resource, ...]] = ()

    def __post_init__(self) -> None:
        if not self.keep:
            raise ConfigError('stage "language_filter": keep is empty; name at least one language: keep: [en]')
        for code in self.keep:
            if code not in LANGUAGES:
                near = ", ".join(nearest(code)) or "the 176 codes of corpus/text/language.py"
                raise ConfigError(
                    f'stage "language_filter": keep has "{code}", which the model does not know; nearest: {near}'
                )
        if not 0 <= self.min_score <= 1:
            raise ConfigError(f'stage "language_filter": min_score is {self.min_score:g}; it must be from 0 to 1')

    def open(self) -> Opened:
        keep = frozenset(self.keep)
        min_score = np.float32(self.min_score)  # else a score of 0.65, stored as float32, is over or under 0.65

        def judge(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
            labels = batch.column("lang").to_pylist()
            unsure = batch.column("lang_score").fill_null(0).to_numpy() < min_score
            yield mark(
                batch,
                self.name,
                [
                    "other_language" if label not in keep else "unsure_language" if low else None
                    for label, low in zip(labels, unsure, strict=True)
                ],
            )

        return judge


def _measured(model: "LanguageModel", texts: Sequence[str | None]) -> dict[str, pa.Array]:
    heads = [head(text or "") for text in texts]
    labels, scores = model.predict(heads)
    found = [
        (label, float(score)) if line and label else (None, None)
        for line, label, score in zip(heads, labels, scores, strict=True)
    ]
    return {
        "lang": pa.array([label for label, _ in found], pa.string()),
        # fastText's softmax sums to a little over 1
        "lang_score": pa.array(
            [None if score is None else round(min(score, 1.0), 4) for _, score in found], pa.float32()
        ),
    }
