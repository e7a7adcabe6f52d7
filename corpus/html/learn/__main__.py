"""Trains the extractor from gold pages and writes its file; `make extractor`.

    python -m corpus.html.learn FOLDER OUT [--held-out FILE]

FOLDER holds the gold sets, each a folder of its name. Pages of hosts that the file lists are left out, and so are those
that `split.part` sets aside. The scores in the file are from cross-validation on the sites trained on.
"""

import argparse
import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from corpus.html import peer
from corpus.html.features import NAMES
from corpus.html.learn.crossval import fold_odds, word_f1s
from corpus.html.learn.examples import Example, examples
from corpus.html.learn.fit import AGAIN, SETTINGS, SOURCE_WEIGHTS, model_of, rows_again, rows_of, trees_of
from corpus.html.learn.gold import SETS, gold_pages
from corpus.html.learn.labels import LABELLED, LICENCE
from corpus.html.learn.split import held_out_hosts, part

VERSION = 2
"""Raised when what a page's text is changes with the file."""


def trained_on(folder: Path, held_out: frozenset[str]) -> list[Example]:
    """The examples of all sets that are trained on, without the pages set aside."""
    pages = (page for name in SOURCE_WEIGHTS for page in gold_pages(folder / name))
    return list(examples(page for page in pages if part(page.host, held_out) == "train"))


def told(taught: list[Example], scores: dict[str, dict[str, float]]) -> dict[str, Any]:
    """What the file says of itself."""
    sources = {
        name: {
            "from": SETS[name].origin,
            "licence": LICENCE if name in LABELLED else SETS[name].licence,
            "pages": sum(example.gold.source == name for example in taught),
            "weight": weight,
        }
        for name, weight in SOURCE_WEIGHTS.items()
    }
    packages = {name: version(name) for name in ("catboost", "scikit-learn", "numpy", "trafilatura")}
    return {"version": VERSION, "trained_on": sources, "word_f1": scores, "packages": packages}


def main() -> None:
    """Trains, and says what was trained on and how well it does."""
    parser = argparse.ArgumentParser(prog="python -m corpus.html.learn", description="Trains the extractor.")
    parser.add_argument("folder", type=Path, help="the gold sets, each a folder of its name")
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument("--held-out", type=Path, help="hosts to leave out, one a line")
    asked = parser.parse_args()
    held_out = held_out_hosts(asked.held_out) if asked.held_out else frozenset[str]()
    taught = trained_on(asked.folder, held_out)
    print(f"{len(taught):,} pages with {sum(len(example.shares) for example in taught):,} blocks", flush=True)
    rows = rows_of(taught)
    odds = fold_odds(taught, rows, NAMES, SETTINGS)
    again = rows_again(taught, rows, odds)
    scores = {
        "fast": word_f1s(taught, odds),
        "second look": word_f1s(taught, fold_odds(taught, again, peer.NAMES, AGAIN)),
    }
    for name, fast in scores["fast"].items():
        print(f"{name:32} word F1 {fast:.3f}, after a second look {scores['second look'][name]:.3f}", flush=True)
    trees = {"fast": trees_of(rows, NAMES), "best": trees_of(again, peer.NAMES, AGAIN)}
    content = model_of(taught, trees, told(taught, scores)).written()
    asked.out.write_bytes(content)
    print(f"{asked.out}: {len(content):,} bytes; in corpus/resources.py its sha256 is")
    print(hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    main()
