"""What a recipe wants of a page's text: its form, and which parts of it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from corpus.html.outline import ALONE, HEADING, ITEM, PRE

Output = Literal["plain", "markdown"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Plain text or Markdown; the page's title as first line; readers' comments under an article; tables, lists, code
    and headings where they are in the main text."""

    output: Output = "plain"
    title: bool = False
    comments: bool = False
    tables: bool = True
    lists: bool = True
    code: bool = True
    headings: bool = True

    def kept(self, outlined: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which blocks no switch leaves out; shape (blocks,). A table that holds several blocks in a cell is there for
        layout, and none."""
        kept = np.ones(len(outlined), np.bool_)
        for wanted, column in ((self.tables, ALONE), (self.lists, ITEM), (self.code, PRE), (self.headings, HEADING)):
            if not wanted:
                kept &= outlined[:, column] == 0
        return kept
