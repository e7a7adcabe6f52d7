"""Builds the corpora of all shipped recipes with one engine, all in one process: what the parity tests compare.

python tests/parity/drive.py FOLDER ENGINE WORKERS [NAME=VALUE ...]      RECIPES names some; all that differ without it
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from corpus.canonical import fingerprint
from corpus.storage import Folder
from pipelines.artifact import Place
from pipelines.recipe import Recipe, load, shipped
from pipelines.session import working
from pipelines.steps import steps_of

SAMPLE = Path(__file__).parents[2] / "samples" / "web"
SMALL = {"split_bytes": 524_288, "shard_bytes": 393_216}
"""The sample is small: these cut it into several shards where a recipe does not."""


def on_sample(name: str) -> Recipe:
    """The recipe, over the shipped sample where it names no input, with as much in the mixture as that can fill."""
    recipe = load(name)
    empty = [source for source, said in recipe.sources.items() if not said.paths]
    larger = [key for key, most in SMALL.items() if getattr(recipe.corpus, key) > most]
    paths = [f'sources.{source}.paths=["{SAMPLE}/*.warc.gz"]' for source in empty]
    budget = ["mix.budget.bytes=500000"] if empty and recipe.mix else []
    return load(name, [*paths, *budget, *(f"corpus.{key}={SMALL[key]}" for key in larger)])


def distinct() -> list[str]:
    """The shipped recipes, one of those that make the same corpora and differ in what they train on them. Published
    models' are c4_en's, whose text is yours to give, with a mixture as demo has it."""
    corpora: dict[str, str] = {}
    for name in shipped():
        recipe = on_sample(name)
        if recipe.training and not all(source.paths for source in load(name).sources.values()):
            continue
        paths = [source.paths for source in recipe.sources.values()]
        asked = [recipe.identity(part) for part in ("seed", "sources", "corpus", "mix")]
        corpora.setdefault(fingerprint([*asked, paths]), name)
    return list(corpora.values())


def build(folder: Path, engine: str, workers: int, settings: list[str], names: list[str]) -> None:
    """One root for each recipe in the folder."""
    with working(Place(Folder(str(folder))), engine, workers, settings, Console(stderr=True)) as runner:
        for name in names:
            place = Place(Folder(str(folder / name)))
            steps = [step for step in steps_of(on_sample(name), None, place.root) if step.kind == "corpus"]
            replace(runner, place=place).run(steps)


if __name__ == "__main__":
    chosen = os.environ.get("RECIPES", "").split() or distinct()
    build(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:], chosen)
