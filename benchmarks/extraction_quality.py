"""Word F1 and speed of main-text extraction against pages with gold text; prints one table.

    python benchmarks/extraction_quality.py FOLDER

FOLDER holds `pages.warc.gz` and, joined on `uri`, `gold.jsonl.gz` with `text` and perhaps `page_type`. Word F1 is the
overlap of two bags of words, \\w+ in lower case; each page counts alike. Speed is documents per CPU second, decoding
left out; pages without gold text are not counted.
"""

import gzip
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from fastwarc.warc import ArchiveIterator, WarcRecordType

from corpus.text.charset import decode
from corpus.text.html import MIN_MAIN_CHARS, main_text

Extractor = Callable[[str], str]
EXTRACTORS: dict[str, Extractor] = {
    "main content": lambda html: main_text(html, min_main_chars=0),
    f"main content, full text under {MIN_MAIN_CHARS} chars (default)": main_text,
    "full text": lambda html: main_text(html, min_main_chars=sys.maxsize),
}


def word_f1(found: str, gold: str) -> float:
    """Harmonic mean of the shares of found and of gold words that are in both bags; 1 when both are empty."""
    ours, theirs = (Counter(re.findall(r"\w+", text.lower())) for text in (found, gold))
    n_words = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / n_words if n_words else 1.0


def pages(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """The decoded pages with their gold records."""
    with gzip.open(folder / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
        gold = {record["uri"]: record for record in map(json.loads, lines) if record["text"]}
    found = []
    with (folder / "pages.warc.gz").open("rb") as archive:
        for record in ArchiveIterator(archive, record_types=WarcRecordType.response):
            decoded = decode(record.reader.read(), record.http_content_type)
            uri = record.headers["WARC-Target-URI"].strip("<>")
            if decoded is not None and uri in gold:
                found.append((decoded[0], gold[uri]))
    return found


def measured(extract: Extractor, sample: list[tuple[str, dict[str, Any]]]) -> tuple[float, dict[str, float]]:
    """Documents per CPU second, and mean word F1 over all pages and by page type."""
    start = time.process_time()
    texts = [extract(html) for html, _ in sample]
    seconds = time.process_time() - start
    scores: dict[str, list[float]] = {"all": []}
    for text, (_, gold) in zip(texts, sample, strict=True):
        score = word_f1(text, gold["text"])
        scores["all"].append(score)
        scores.setdefault(gold.get("page_type") or "untyped", []).append(score)
    return len(sample) / seconds, {kind: mean(of_kind) for kind, of_kind in scores.items()}


def main() -> None:
    sample = pages(Path(sys.argv[1]))
    kinds = ["all", *sorted({gold.get("page_type") or "untyped" for _, gold in sample})]
    print(f"{len(sample)} pages\n| extractor | docs/s/core | " + " | ".join(kinds) + " |")
    print("|---|" + "---|" * (len(kinds) + 1))
    for name, extract in EXTRACTORS.items():
        speed, scores = measured(extract, sample)
        print(f"| {name} | {speed:.0f} | " + " | ".join(f"{scores[kind]:.3f}" for kind in kinds) + " |")


if __name__ == "__main__":
    main()
