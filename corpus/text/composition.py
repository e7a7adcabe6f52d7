"""The table that says what a corpus is made of, as Dolma's paper has it (Soldaini et al. 2024, table 1), and how far
it is what was asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from corpus.text.mixing import Quota


@dataclass(frozen=True, kw_only=True)
class Amount:
    """How much text: documents, UTF-8 bytes and words; None where words were not counted."""

    documents: int
    size_bytes: int
    words: int | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """A source or "total". Shares are of the bytes; epochs are bytes over those that the source had."""

    source: str
    amount: Amount
    share: float
    epochs: float | None = None
    requested_share: float | None = None
    requested_epochs: float | None = None


def composition(mixed: Mapping[str, Amount], quotas: Mapping[str, Quota] | None = None) -> tuple[Line, ...]:
    """Lines by falling size (equal ones by name), then the total. Copies count as often as they occur.

    With the quotas of the mixture each source's line also says what was asked for and how often it was repeated; a
    source that gave nothing has a line of zeros. The total's words are None when a source's are.
    """
    amounts = {source: Amount(documents=0, size_bytes=0, words=0) for source in quotas or {}} | dict(mixed)
    total_bytes = sum(amount.size_bytes for amount in amounts.values())
    asked_bytes = sum(quota.requested_bytes for quota in (quotas or {}).values())
    lines = []
    for source, amount in sorted(amounts.items(), key=lambda item: (-item[1].size_bytes, item[0])):
        line = Line(source=source, amount=amount, share=_ratio(amount.size_bytes, total_bytes))
        if quotas and source in quotas:
            line = replace(
                line,
                epochs=_ratio(amount.size_bytes, quotas[source].available_bytes),
                requested_share=_ratio(quotas[source].requested_bytes, asked_bytes),
                requested_epochs=quotas[source].epochs,
            )
        lines.append(line)
    return (*lines, Line(source="total", amount=_total(amounts), share=_ratio(total_bytes, total_bytes)))


def _total(amounts: Mapping[str, Amount]) -> Amount:
    words = [amount.words for amount in amounts.values()]
    return Amount(
        documents=sum(amount.documents for amount in amounts.values()),
        size_bytes=sum(amount.size_bytes for amount in amounts.values()),
        words=None if None in words else sum(n for n in words if n is not None),
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
