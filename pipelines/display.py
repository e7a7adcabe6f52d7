"""What a person sees while work goes on: a bar with rates and time left, or plain lines when no terminal listens."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

PLAIN_EVERY_SECONDS = 10.0


class Display:
    """Shows the phases of a run one after the other; `told` prints a line that stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=None),  # takes what the others leave
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            console=console,
            expand=True,
            transient=True,
        )
        self._phase: tuple[str, TaskID, float, int, int] | None = None
        self._spoken = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def told(self, line: str) -> None:
        """A line for the record."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def progress(self, phase: str, done: int, total: int, units: int, unit: str = "documents", note: str = "") -> None:
        """`done` of `total` pieces of the phase, in which `units` went through so far."""
        now = time.monotonic()
        if self._phase is None or self._phase[0] != phase:
            if self._phase is not None:
                self._bars.remove_task(self._phase[1])
            self._phase = (phase, self._bars.add_task(phase, total=total, rate=""), now, done, units)
        name, task, started, done_before, units_before = self._phase
        seconds = max(now - started, 1e-9)
        new = units - units_before  # a phase that goes on after a crash begins with what was done then
        said = [f"{new / seconds:,.0f} {unit}/s"] if new and seconds > 0.2 else []
        said += [note] if note else []
        if (fresh := done - done_before) and done < total:
            said.append(f"{_clock(seconds / fresh * (total - done))} left")
        self._bars.update(task, completed=done, total=total, rate=", ".join(said))
        if not self._console.is_terminal and now - self._spoken > PLAIN_EVERY_SECONDS and seconds > PLAIN_EVERY_SECONDS:
            self._spoken = now
            self.told(f"  {', '.join([f'{name}: {done} of {total}', *said])}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
