"""What two lines cost, step by step, as one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

STEPS = (
    "read WARC", "extract", "guard: fork, hand over", "language", "Gopher repetition", "Gopher quality", "C4",
    "FineWeb quality", "URL and exact keys", "MinHash signatures", "join duplicates", "write and read between steps",
    "engine, manifests, logs", "report.html",
)  # fmt: skip
OURS, SHARED, FULL = "millstream", "datatrove, steps that both have", "datatrove, FineWeb's chain"
SIDES = (OURS, SHARED, FULL)


@dataclass(frozen=True)
class Cost:
    """One run: CPU seconds of all its processes, of each step, and the documents that each step let through."""

    whole: float
    steps: Mapping[str, float]
    documents: Mapping[str, int]


@dataclass(frozen=True)
class Result:
    """The runs of each side, and those over one page of each source. Medians are taken everywhere."""

    costs: Mapping[str, Sequence[Cost]]
    starts: Mapping[str, Sequence[Cost]]
    n_pages: int
    n_sources: int
    size_bytes: int

    def step(self, side: str, step: str) -> float | None:
        """CPU seconds of a step, net of start-up; None where the side has no such step."""
        if step not in self.starts[side][0].steps:
            return None
        whole, start = (median(cost.steps[step] for cost in runs[side]) for runs in (self.costs, self.starts))
        return max(whole - start, 0.0)

    def whole(self, side: str) -> float:
        """CPU seconds of a run with everything."""
        return median(cost.whole for cost in self.costs[side])

    def start(self, side: str) -> float:
        """CPU seconds of a run over one page of each source."""
        return median(cost.whole for cost in self.starts[side])

    def net(self, side: str) -> float:
        """CPU seconds a page, net of start-up and of the pages that the start-up run read."""
        return (self.whole(side) - self.start(side)) / (self.n_pages - self.n_sources)

    def table(self) -> str:
        """Steps, then totals; the ratios are the peer's CPU time over ours."""
        lines = [
            f"| CPU seconds (documents left) | {OURS} | {SHARED} | ratio | {FULL} | ratio |",
            "|---|---:|---:|---:|---:|---:|",
            *(self._line(step, [self.step(side, step) for side in SIDES]) for step in STEPS),
            self._line("start-up: one page of each source", [self.start(side) for side in SIDES]),
            self._line("**whole process, start-up and all**", [self.whole(side) for side in SIDES]),
        ]
        pages = [1 / self.net(side) for side in SIDES]
        packed = [speed * self.size_bytes / self.n_pages / 1e6 for speed in pages]
        with_start = [self.n_pages / self.whole(side) for side in SIDES]
        lines += [_speeds("pages/s/core, start-up and all", with_start, "{:,.1f}")]
        lines += [_speeds("**pages/s/core, net of start-up**", pages, "{:,.1f}")]
        lines += [_speeds("MB of gzip/s/core, net of start-up", packed, "{:.2f}")]
        return "\n".join(lines)

    def _line(self, step: str, seconds: Sequence[float | None]) -> str:
        kept = [self.costs[side][0].documents.get(step) for side in SIDES]
        cells = ["-" if s is None else f"{s:.2f}" for s in seconds]
        cells = [cell if n is None else f"{cell} ({n:,})" for cell, n in zip(cells, kept, strict=True)]
        ours, *peers = seconds
        ratios = [f"{peer / ours:.1f}" if ours and peer is not None else "" for peer in peers]
        return f"| {step} | {cells[0]} | {cells[1]} | {ratios[0]} | {cells[2]} | {ratios[1]} |"


def _speeds(name: str, values: Sequence[float], form: str) -> str:
    ours, shared, full = values
    cells = [form.format(value) for value in values]
    return f"| {name} | {cells[0]} | {cells[1]} | {ours / shared:.1f} | {cells[2]} | {ours / full:.1f} |"
