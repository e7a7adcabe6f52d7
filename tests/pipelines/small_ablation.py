"""A small ablation: an archive of made-up English, sets to ask, a recipe of three arms, and its command line."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from small_run import Said, millstream, warc

from corpus.storage import Folder
from pipelines.ablation.sections import Ablation
from pipelines.artifact import Place
from pipelines.recipe import load_as

N_GOOD, N_BAD = 40, 24
KNOWN = """the a one this that every no some old new red blue small large quiet quick river garden letter window
    teacher baker farmer doctor child horse market village kitchen mountain winter summer morning evening bread apple
    music story paper table candle bridge street island ship saw made took gave found kept left brought carried painted
    opened closed followed remembered forgot wanted needed liked heard under over near behind before after with without
    and but because while slowly again often never always"""
WORDS = KNOWN.split()


def _training(family: str, objective: str) -> dict[str, Any]:
    model = {"family": family, "layers": 1, "width": 32, "heads": 2, "ffn": 64}
    return {"model": model, "objective": objective, "context": 64, "steps": 4, "batch_rows": 4}


DECODER = {"tokenizer": {"model": "bpe-bytes", "vocab_size": 320}, "training": _training("llama", "causal")}
MODELS = {
    "decoder": DECODER,
    "encoder": {"tokenizer": {"model": "wordpiece", "vocab_size": 300}, "training": _training("bert", "masked")},
    "encoder_decoder": {
        "tokenizer": {"model": "bpe-bytes", "vocab_size": 420, "specials": "t5"},
        "training": _training("t5", "span_corruption"),
    },
}
ARMS: dict[str, Any] = {
    "clean": {},
    "unfiltered": {"set": {"rules": []}},
    "rejects_50": {"like": "clean", "put_back": {"among": "unfiltered", "share": 0.5}},
}
TUNING = {"tasks": ["rte"], "seeds": 1, "epochs": 1.0, "batch": 4}


def sentence(*seed: int) -> str:
    """Twelve to sixteen words, in an order that no other seed gives."""
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(WORDS, size=rng.integers(12, 17))).capitalize() + "."


def good(number: int) -> str:
    """The text of a page that C4 keeps."""
    return "\n".join(sentence(1, number, line) for line in range(8))


def bad(number: int) -> str:
    """The text of a page that C4 drops: its lines end without a mark."""
    return "\n".join(sentence(2, number, line)[:-1] for line in range(8))


def archive(texts: Sequence[str]) -> bytes:
    """A page at an address of its own for each text, a paragraph for each line."""
    pages = ["".join(f"<p>{line}</p>" for line in text.splitlines()) for text in texts]
    return b"".join(warc(f"http://{n}.example/", page.encode()) for n, page in enumerate(pages))


def write_world(folder: Path) -> Path:
    """The folder with an archive, sets of a few items and a neutral text, none of which stands in the archive."""
    (folder / "web").mkdir(parents=True)
    texts = [good(n) for n in range(N_GOOD)] + [bad(n) for n in range(N_BAD)]
    (folder / "web" / "pages.warc.gz").write_bytes(archive(texts))
    write_neutral(folder / "neutral.jsonl", [sentence(3, n) for n in range(4)])
    write_pairs(folder, [sentence(4, n) for n in range(6)])
    goals = [{"goal": sentence(5, n), "sol1": sentence(6, n), "sol2": sentence(7, n), "label": n % 2} for n in range(4)]
    write_rows(folder / "sets/piqa/dev.jsonl", goals)
    write_rows(folder / "sets/lambada/test.jsonl", [{"text": sentence(8, n)[:-1]} for n in range(4)])
    for part, (split, size) in enumerate({"train": 8, "dev": 4}.items()):
        texts = [sentence(9, part, n) for n in range(2 * size)]
        rows = [{"premise": texts[n], "hypothesis": texts[n + size], "label": n % 2} for n in range(size)]
        write_rows(folder / "sets/rte" / f"{split}.jsonl", rows)
    return folder


def write_pairs(folder: Path, sentences: Sequence[str]) -> None:
    """BLiMP of these sentences and others."""
    pairs = [
        {"sentence_good": said, "sentence_bad": sentence(10, n), "linguistics_term": ("island", "npi")[n % 2]}
        for n, said in enumerate(sentences)
    ]
    write_rows(folder / "sets/blimp/pairs.jsonl", pairs)


def write_neutral(path: Path, texts: Sequence[str]) -> None:
    """A neutral file of these texts."""
    write_rows(path, [{"text": text} for text in texts])


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """A file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def recipe(world: Path, **changes: Any) -> dict[str, Any]:
    """The recipe as data: one decoder, nothing to learn, unless told otherwise."""
    return {
        "name": "small",
        "seed": 17,
        "seeds": 2,
        "sources": {"web": {"format": "warc", "paths": [f"{world}/web/*.warc.gz"]}},
        "corpus": {
            "extract": {"tier": "text"}, "rules": [{"rule": "c4", "dialect": "tfds-3"}],
            "dedup": [{"method": "url"}, {"method": "exact"}], "holdout": {"share": 0.25}, "shard_bytes": 12_000,
        },
        "arms": ARMS,
        "baseline": "clean",
        "unfiltered": "unfiltered",
        "vocabulary": ["clean", "unfiltered"],
        "models": {"decoder": DECODER},
        "evaluation": {
            "data": f"{world}/sets", "held_out": {"clean": "clean", "raw": "unfiltered"},
            "neutral": {"neutral": [f"{world}/neutral.jsonl"]}, "set_bytes": 1500, "document_chars": 500, "points": 2,
            "choices": ["piqa"], "completions": ["lambada"],
        },
    } | changes  # fmt: skip


def written(folder: Path, data: Mapping[str, Any]) -> Path:
    """The recipe's file: JSON is YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.yaml"
    path.write_text(json.dumps(data))
    return path


@dataclass(frozen=True)
class Small:
    """A recipe, and the root that it is built in."""

    recipe: Path
    root: Path

    def copied(self, folder: Path, data: Mapping[str, Any] | None = None) -> "Small":
        """A copy to be changed, perhaps of another recipe."""
        shutil.copytree(self.root, folder / "root", symlinks=True)
        return Small(self.recipe if data is None else written(folder, data), folder / "root")

    def words(self, *more: object, workers: int = 1) -> list[object]:
        """The command line."""
        return ["ablate", self.recipe, "--root", self.root, "--workers", workers, *more]

    def ran(self, *more: object, workers: int = 1) -> Said:
        """What the command line comes to."""
        return millstream(*self.words(*more, workers=workers))

    def done(self, *more: object, workers: int = 1) -> "Small":
        """The same, built."""
        said = self.ran(*more, workers=workers)
        assert said.code == 0, said.err
        return self

    @property
    def place(self) -> Place:
        return Place(Folder(str(self.root)))

    def ablation(self, *sets: str) -> Ablation:
        """The recipe as it is read."""
        return load_as(Ablation, str(self.recipe), sets)

    def manifest(self, name: str) -> Any:
        """The manifest as it is stored."""
        return json.loads((self.root / name / "dev" / "manifest.json").read_text())

    def json(self, path: str) -> Any:
        """Another file of the root."""
        return json.loads((self.root / path).read_text())

    def builds(self, name: str = "") -> dict[str, bytes]:
        """What each whole artifact under a name says of its build: something else when it was built again."""
        folders = [path.parent for path in (self.root / name).rglob("manifest.json")]
        return {str(folder.parent.relative_to(self.root)): (folder / "run.json").read_bytes() for folder in folders}

    def results(self, name: str = "cell") -> dict[str, bytes]:
        """What must be the same in every run: manifests, and the files that they name."""
        found = {}
        for path in (self.root / name).rglob("manifest.json"):
            shards = json.loads(path.read_text())["shards"]
            files = [path, *(path.parent / info["file"] for shard in shards for info in shard["files"].values())]
            found |= {str(file.relative_to(self.root)): file.read_bytes() for file in files}
        return found

    def documents(self, arm: str, model: str = "decoder") -> list[str]:
        """The ids of an arm's training documents, in the order of its token shards."""
        name = f"tokens/{model}/{arm}"
        files = [shard["files"]["documents.parquet"]["file"] for shard in self.manifest(name)["shards"]]
        tables = [pq.read_table(self.root / name / "dev" / file) for file in files]
        return [id_ for table in tables for id_ in table["id"].to_pylist()]
