"""Rows of packed tokens for objectives that read the shards as one long text. Legend: S tokens of a row."""

from dataclasses import dataclass

from tokenizer.pack import Packed, Span
from training.objective import Row


@dataclass(frozen=True)
class PackedRows:
    """The rows of a packing, with the documents' numbers and the marks of words and sentences where asked for."""

    packed: Packed
    segments: bool = False
    marks: bool = False

    def __len__(self) -> int:
        return len(self.packed)

    def row(self, i: int) -> Row:
        """Row i with what was asked for."""
        segments_S = self.packed.segments(i) if self.segments else None
        if not self.marks:
            return Row(self.packed.row(i), segments_S)
        marks = self.packed.marks(i)
        return Row(self.packed.row(i), segments_S, marks.word_starts_S, marks.sentence_ends_S)

    def documents(self, i: int) -> list[Span]:
        """The pieces of documents that row i is made of."""
        return self.packed.documents(i)
