"""What the artifacts are called, and which corpus each corpus is made from."""

from collections.abc import Mapping

EXTRACTED, PAGES, DEDUPED = "corpus/extracted", "corpus/pages", "corpus/deduped"
HELDOUT, MIXTURE = "corpus/heldout", "corpus/mixture"
VOCAB, TOKENS, CHECKPOINT = "vocab/main", "tokens/main", "checkpoint/main"
VERDICT = "verdict/main"

VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a version may be called: a folder, and no way out of it."""

CORPORA: Mapping[str, str | None] = {
    EXTRACTED: None,
    PAGES: EXTRACTED,
    DEDUPED: PAGES,
    HELDOUT: DEDUPED,
    MIXTURE: DEDUPED,
}
"""Corpora in the order of the line, with the one whose kept documents each reads; the first reads archives."""
