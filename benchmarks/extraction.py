"""Quality and speed of main-text extraction on pages with gold text, ours beside others; prints tables for each set.

    make .venv-datatrove                              the peer's environment; without it trafilatura is left out
    python benchmarks/extraction.py                   every set, pages of sites set aside
    python benchmarks/extraction.py --part all --every 5 ../shared/data/pages/wcxb-dev

"Aside" are the sites that nothing was trained on (corpus/html/learn/split.py): only there do a learned tier's scores
say what it does on pages it never saw. The measures are those of `corpus/html/learn/scores.py` and `structure.py`, in
brackets the number of pages that have them; each page counts alike. Speed is pages per CPU second on one core, decoding
included, which is ours for every extractor. All take 32 pages by turns; the median of `--rounds` counts. `--cache`
keeps the peer's texts and times, which then are of another hour than ours.

datatrove's settings drop what earlier pages held: there the set's order and choice of pages matter.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal

from extraction_peer import SETTINGS

from corpus.errors import ConfigError
from corpus.html.learn.gold import SETS, GoldPage, gold_pages
from corpus.html.learn.scores import MEASURES, Scores, page_scores, parts
from corpus.html.learn.split import held_out_hosts, part
from corpus.html.main_content import main_text
from corpus.html.tiers import TIERS as OURS
from corpus.html.tiers import Tier as TierName
from corpus.html.wanted import Wanted
from corpus.text.charset import as_utf8, decode

HERE = Path(__file__).resolve().parent
DATA = HERE.parent.parent / "shared" / "data"
PEER = HERE.parent / ".venv-datatrove" / "bin" / "python"
FACTS: tuple[Literal["page_type"], Literal["language"]] = ("page_type", "language")
TURN = 32
"""Pages in a row, as in a run: page by page, who comes first behind another process pays for caches that are cold."""
MIN_PAGES = 5
"""A page type or language with fewer has no column."""

Tier = Callable[[bytes, str | None], str]
Timed = Callable[[GoldPage], tuple[str, float]]
"""The text of a page, and the CPU seconds that it took."""


def decoded(payload: bytes, content_type: str | None = None) -> str:
    """The page's HTML; "" where its bytes are no text."""
    found = decode(payload, content_type)
    return found[0] if found else ""


def after_decoding(extract: Callable[[str], str]) -> Tier:
    return lambda payload, content_type: extract(decoded(payload, content_type))


def ours(name: TierName) -> Tier:
    def extract(payload: bytes, content_type: str | None) -> str:
        found = as_utf8(payload, content_type)
        return OURS[name](found[0] if found else b"", Wanted()).text

    return extract


TIERS: dict[str, Tier] = {name: ours(name) for name in OURS}
"""Ours, by the names that recipes call them."""

PLAIN: dict[str, Tier] = {
    "resiliparse's main content alone": after_decoding(partial(main_text, min_main_chars=0)),
    "plain full text": after_decoding(partial(main_text, min_main_chars=sys.maxsize)),
}


@dataclass(frozen=True)
class Run:
    """What an extractor made of the pages: their texts, and the CPU seconds of all of them, once a round."""

    texts: Sequence[str]
    seconds: Sequence[float]


@dataclass(frozen=True)
class Peer:
    """trafilatura's process."""

    process: subprocess.Popen[str]

    def ask(self, *asked: str) -> Any:
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline() if self.process.stdout else ""
        if not line:
            raise ConfigError("the peer's process ended, its own words stand above; `make .venv-datatrove` mends it")
        return json.loads(line)

    def extract(self, setting: str, page: GoldPage) -> tuple[str, float]:
        html, decoding = clocked(decoded, page)
        text, seconds = self.ask(setting, html)
        return text, decoding + seconds


@contextmanager
def started(python: Path) -> Iterator[Peer | None]:
    """The peer while it is used, or None where its environment is not there."""
    if not python.exists():
        print(f"{python}: not there, so trafilatura is left out; `make .venv-datatrove` makes it", file=sys.stderr)
        yield None
        return
    command = [str(python), str(HERE / "extraction_peer.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Peer(process)


def clocked(tier: Tier, page: GoldPage) -> tuple[str, float]:
    start = time.process_time()
    text = tier(page.payload, None)
    return text, time.process_time() - start


def by_turns(
    extractors: Mapping[str, Timed], pages: Sequence[GoldPage], rounds: int, fresh: Callable[[], Any]
) -> dict[str, Run]:
    """Every extractor over the same pages, some pages by each in turn. `fresh` is called before each round."""
    for extract in extractors.values():
        extract(pages[0])  # loads and compiles what a first call does
    seconds: dict[str, list[float]] = {name: [] for name in extractors}
    for _ in range(rounds):
        fresh()
        made: dict[str, list[tuple[str, float]]] = {name: [] for name in extractors}
        for some in batched(pages, TURN):
            for name, extract in extractors.items():
                made[name] += map(extract, some)
        for name, of_pages in made.items():
            seconds[name].append(sum(taken for _, taken in of_pages))
    return {name: Run([text for text, _ in of_pages], seconds[name]) for name, of_pages in made.items()}


def batched(pages: Sequence[GoldPage], size: int) -> Iterator[Sequence[GoldPage]]:
    return (pages[begin : begin + size] for begin in range(0, len(pages), size))


def measured(pages: Sequence[GoldPage], other: Peer | None, rounds: int, cache: Path | None) -> dict[str, Run]:
    """The runs of ours, of plain extraction and of the peer, whose runs are kept in `cache`."""
    extractors: dict[str, Timed] = {name: partial(clocked, tier) for name, tier in (TIERS | PLAIN).items()}
    if other is None:
        return by_turns(extractors, pages, rounds, lambda: None)
    key = hashlib.sha256(b"".join(hashlib.sha256(page.payload).digest() for page in pages)).hexdigest()[:16]
    kept = cache and cache / f"trafilatura-{other.ask('fresh')}-{key}.json"
    if kept and kept.exists():
        theirs = {name: Run(**run) for name, run in json.loads(kept.read_text()).items()}
        return by_turns(extractors, pages, rounds, lambda: None) | theirs
    peers: dict[str, Timed] = {name: partial(other.extract, name) for name in SETTINGS}
    runs = by_turns(extractors | peers, pages, rounds, partial(other.ask, "fresh"))
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({name: asdict(runs[name]) for name in SETTINGS}))
    return runs


def tables(scores: Mapping[str, Scores], speeds: Mapping[str, float]) -> str:
    """One table of the measures with the speed, and one of word F1 by page type and by language."""
    some = next(iter(scores.values()))
    names = [measure for measure in MEASURES if some.n(measure)]
    rows = [[f"{speeds[name]:,.0f}", *(cell(of.mean(measure)) for measure in names)] for name, of in scores.items()]
    by_measure = table(["pages/s/core", *(f"{measure} ({some.n(measure)})" for measure in names)], scores, rows)
    kinds = [
        (fact, kind)
        for fact in FACTS
        for kind, of in some.by(fact).items()
        if MIN_PAGES <= of.n("word_f1") < some.n("word_f1")
    ]
    if not kinds:
        return by_measure
    rows = [[cell(of.by(fact)[kind].mean("word_f1")) for fact, kind in kinds] for of in scores.values()]
    heads = [f"{kind} ({some.by(fact)[kind].n('word_f1')})" for fact, kind in kinds]
    return by_measure + "\n\nWord F1 by page type and language\n\n" + table(heads, scores, rows)


def table(heads: Sequence[str], names: Iterable[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| extractor | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(row)} |" for name, row in zip(names, rows, strict=True))])


def cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def worst(scores: Scores, n: int, held_out: Collection[str]) -> list[str]:
    """The pages with the lowest word F1, of those that may be looked at: never of a site set aside."""
    pairs = zip(scores.pages, scores.values, strict=True)
    known = [(of["word_f1"], page) for page, of in pairs if "word_f1" in of and part(page.host, held_out) == "train"]
    lowest = sorted(known, key=lambda item: (item[0], item[1].uri))[:n]
    return [f"{score:.3f}  {page.page_type or '-'}  {page.uri}" for score, page in lowest]


def report(folder: Path, asked: argparse.Namespace, held_out: Collection[str], other: Peer | None) -> None:
    chosen = (page for page in gold_pages(folder) if asked.part in ("all", part(page.host, held_out)))
    pages = [page for page in islice(chosen, 0, None, asked.every) if page.text or page.must_have]
    print(f"\n## {folder.name}: {len(pages)} pages ({asked.part}, every {asked.every})\n")
    if not pages:
        return
    runs = measured(pages, other, asked.rounds, asked.cache)
    structures = [parts(page) for page in pages]
    scores = {
        name: Scores(pages, [page_scores(*of_page) for of_page in zip(pages, structures, run.texts, strict=True)])
        for name, run in runs.items()
    }
    print(tables(scores, {name: len(pages) / median(run.seconds) for name, run in runs.items()}), flush=True)
    for name in TIERS if asked.worst else ():
        print(f"\nWorst of {name}\n", *worst(scores[name], asked.worst, held_out), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="*", type=Path, help="gold sets (default: all that have texts or segments)")
    parser.add_argument("--part", choices=("aside", "train", "all"), default="aside")
    parser.add_argument("--held-out", type=Path, default=DATA / "held-out-hosts.txt", help="hosts, one a line")
    parser.add_argument("--every", type=int, default=1, help="take every N-th page")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", type=Path, default=PEER, help="python of the environment that has trafilatura")
    parser.add_argument("--cache", type=Path, help="folder for what the peer made")
    parser.add_argument("--worst", type=int, default=0, help="name the N worst pages; none of a site set aside")
    asked = parser.parse_args()
    if asked.worst and asked.part == "aside":
        parser.error("--worst names pages, and pages set aside are not looked at; add --part train")
    held_out = held_out_hosts(asked.held_out)
    with started(asked.peer) as other:
        for folder in asked.folders or [DATA / "pages" / name for name in SETS if name != "htmldate-eval"]:
            report(folder, asked, held_out, other)


if __name__ == "__main__":
    main()
