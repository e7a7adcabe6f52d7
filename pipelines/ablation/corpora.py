"""The corpora of an ablation: each arm's is a run of its own, and archives are read once for each way to read them.

    ROOT/extracted/9f1c.../dev                 what was read, for all arms that read alike
    ROOT/corpora/clean/corpus/extracted        a link to it
    ROOT/corpora/clean/corpus/{pages,deduped,heldout}/dev

So `millstream show corpus/pages --root ROOT/corpora/clean` and verify, explain and report work on an arm as on any run.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from corpus.canonical import fingerprint
from corpus.errors import ConfigError
from corpus.manifest import Manifest
from corpus.parquet import read_batches
from corpus.stages.holdout import HoldOut
from corpus.storage import Folder
from corpus.text.hashing import shares
from pipelines.ablation.sections import Ablation
from pipelines.artifact import Place
from pipelines.corpus_steps import corpus_steps, stored_files
from pipelines.engines.engine import StoredFile
from pipelines.names import DEDUPED, EXTRACTED, HELDOUT
from pipelines.recipe import Recipe
from pipelines.runner import Runner
from pipelines.session import remember

COLUMNS = ("id", "source", "url", "text")

KEY = np.dtype("S16")
Keys = npt.NDArray[np.bytes_]

Part = Callable[[], Iterator[pa.RecordBatch]]
"""Training documents of an arm that become one token shard."""


def corpus_place(place: Place, arm: str) -> Place:
    """Where the corpus of an arm lies."""
    return Place(place.root / "corpora" / arm, place.version)


def build(ablation: Ablation, runner: Runner, limit: int | None) -> None:
    """Every corpus that is not there yet."""
    for arm, recipe in ablation.built.items():
        place = corpus_place(runner.place, arm)
        steps = corpus_steps(recipe, limit, runner.place.root)
        _share_extraction(runner.place.root, place, recipe, limit)
        remember(place, recipe, steps)
        replace(runner, place=place, told=lambda line, arm=arm: runner.told(f"{arm}: {line}")).run(steps)  # type: ignore[misc]


def _share_extraction(root: Folder, place: Place, recipe: Recipe, limit: int | None) -> None:
    """Links the arm's corpus/extracted to the one for all arms that read archives as it does."""
    if root.local is None or place.root.local is None:
        raise ConfigError(f"{root.url}: token shards are memory-mapped; give an ablation a --root on a local disk")
    cut = recipe.corpus
    reads = [recipe.identity("corpus.extract"), cut.split_bytes, cut.max_page_bytes, cut.reject_samples, limit]
    there = root.local / "extracted" / fingerprint(reads)[:12]
    here = place.root.local / EXTRACTED
    there.mkdir(parents=True, exist_ok=True)
    here.parent.mkdir(parents=True, exist_ok=True)
    target = Path(os.path.relpath(there, here.parent))
    if here.is_symlink() and here.readlink() != target:
        here.unlink()
    if here.exists() and not here.is_symlink():
        raise ConfigError(
            f"{here} is a folder, where a link to {there} is to be; give the ablation a --root of its own"
        )
    if not here.is_symlink():
        here.symlink_to(target, target_is_directory=True)


def manifests(ablation: Ablation, place: Place, arm: str) -> dict[str, Manifest]:
    """The corpora that an arm's documents come from, by arm."""
    entry = ablation.arms[arm]
    names = [arm] if entry.put_back is None or entry.like is None else [entry.like, entry.put_back.among]
    return {name: corpus_place(place, name).need(DEDUPED) for name in names}


def parts(ablation: Ablation, place: Place, arm: str) -> list[Part]:
    """The training documents of an arm: those of its corpus that are not held out, or those of another arm with some
    of a third's put back."""
    entry = ablation.arms[arm]
    own = entry.like or arm
    found = [partial(training_documents, ablation, file) for file in _files(place, own, DEDUPED)]
    if entry.put_back is None:
        return [*found]
    among = _files(place, entry.put_back.among, DEDUPED)
    files = _files(place, own, DEDUPED)
    ids = [_keys(rows["id"]) for file in files for rows in read_batches(file.path, ["id"], file.size)]
    has = np.sort(np.concatenate([np.empty(0, KEY), *ids]))
    return [*found, *(partial(_put_back, ablation, file, has, entry.put_back.share) for file in among)]


def training_documents(ablation: Ablation, file: StoredFile) -> Iterator[pa.RecordBatch]:
    """Those of a file that are not held out."""
    holdout = ablation.corpus.holdout
    for batch in read_batches(file.path, COLUMNS, file.size):
        if holdout is None:
            yield batch
            continue
        for marked in HoldOut(share=holdout.share, seed=ablation.seed, keep="train").open()(batch):
            yield batch.filter(pc.is_null(marked["drop_reason"]))


def _put_back(ablation: Ablation, file: StoredFile, has: Keys, share: float) -> Iterator[pa.RecordBatch]:
    for batch in training_documents(ablation, file):
        keys = _keys(batch["id"])
        lacks = np.searchsorted(has, keys, "left") == np.searchsorted(has, keys, "right")
        drawn = shares(batch["id"].to_pylist(), f"put back {ablation.seed}") < share
        yield batch.filter(pa.array(drawn & lacks))


def _keys(ids: pa.Array) -> Keys:
    """Ids of 32 hex digits as 16 bytes each."""
    return np.array([bytes.fromhex(id_) for id_ in ids.to_pylist()], KEY)


def held_out(place: Place, arm: str) -> Iterator[tuple[str, str]]:
    """(id, text) of the pages that an arm held out."""
    for file in _files(place, arm, HELDOUT):
        for batch in read_batches(file.path, ["id", "text"], file.size):
            yield from zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True)


def _files(place: Place, arm: str, name: str) -> Sequence[StoredFile]:
    corpus = corpus_place(place, arm)
    return stored_files(corpus.folder(name).url, corpus.need(name))
