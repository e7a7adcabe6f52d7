"""The step that trains a model on the token shards and measures it on documents that it never saw."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from corpus.errors import ConfigError
from corpus.manifest import FileInfo, Manifest, ShardInfo
from corpus.parquet import read_batches
from corpus.storage import sha256_of
from pipelines.artifact import Built, Place, Workshop
from pipelines.corpus_steps import stored_files
from pipelines.names import CHECKPOINT, HELDOUT, TOKENS, VOCAB
from pipelines.recipe import Recipe
from pipelines.tokens_step import local_folder
from pipelines.training_plan import planned_objective, training_config
from tokenizer import vocab
from tokenizer.bigram import Bigram
from tokenizer.shard import TokenShard
from training.config import TrainingConfig

MARKER = "training.fingerprint"
FINAL = ("model.safetensors", "config.json")
RUN_ONLY = ("training_seconds", "tokens_per_second", "precision", "ranks", "threads")
"""Measures that say how it was run; they stand in run.json, for the manifest must not depend on them."""
PROMPT_WORDS = 8
SAMPLE_TOKENS = 64


@dataclass(frozen=True)
class TrainingStep:
    """Weights in safetensors with their config; checkpoints beside them to go on from after a crash."""

    asked: Recipe
    name: ClassVar[str] = CHECKPOINT
    kind: ClassVar[str] = "checkpoint"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        planned_objective(self.asked)  # says before any work what cannot be trained

    @property
    def inputs(self) -> tuple[str, ...]:
        """Token shards, their vocabulary, and what was held out, if anything was."""
        return (VOCAB, TOKENS, HELDOUT) if self.asked.corpus.holdout else (VOCAB, TOKENS)

    def raw_inputs(self) -> Mapping[str, Any]:
        """Nothing from outside."""
        return {}

    def recipe(self) -> Mapping[str, Any]:
        """What the trainer will do, its own defaults and the objective's included."""
        assert self.asked.tokenizer is not None
        config = training_config(self.asked, self.asked.tokenizer.vocab_size)
        objective = objective_identity(planned_objective(self.asked))
        return {"training": config.identity(), "objective": objective, "step_version": self.version}

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Trains, or goes on training from the last whole checkpoint of this very build; then measures."""
        shop.progress("getting torch ready", 0, 1, 0)
        folder = local_folder(shop.folder)
        forget_other_builds(folder, shop.fingerprint)
        trained_vocab = vocab.load(shop.place.folder(VOCAB))
        shards = token_shards(shop.place, shop.inputs[TOKENS], trained_vocab)
        config = training_config(self.asked, trained_vocab.size)
        documents = held_out_documents(shop.place, shop.inputs)

        def told(step: int, loss: float, tokens_per_second: float) -> None:
            shop.lease.check()
            n_tokens = config.tokens_after(step)
            shop.progress("training", step, config.steps, n_tokens, "tokens", f"loss {loss:.3f}")

        found = fitted(
            config, shards, shop.inputs[TOKENS].fingerprint, trained_vocab, folder, held_out=documents,
            on_progress=told, before_saving=shop.lease.check,
        )  # fmt: skip
        costs = {key: found.pop(key) for key in RUN_ONLY if key in found}
        if "held_out" in found:
            found["held_out_bigram"] = bigram_measures(shards, trained_vocab, documents)
        if config.model.kind == "decoder":
            found["samples"] = written(folder, trained_vocab, documents, self.asked.seed)
        return Built(shards=(_files(folder),), measures=found, costs=costs)

    def follow(self, place: Place, inputs: Mapping[str, Manifest]) -> None:
        """Trains as one of several ranks of which the first builds."""
        trained_vocab = vocab.load(place.folder(VOCAB))
        shards = token_shards(place, inputs[TOKENS], trained_vocab)
        config = training_config(self.asked, trained_vocab.size)
        folder, documents = local_folder(place.folder(CHECKPOINT)), held_out_documents(place, inputs)
        fitted(config, shards, inputs[TOKENS].fingerprint, trained_vocab, folder, held_out=documents)


def fitted(
    config: TrainingConfig,
    shards: Sequence[TokenShard],
    fingerprint: str,
    trained_vocab: vocab.Vocab,
    folder: Path,
    *,
    held_out: Sequence[tuple[str, str]],
    **told: Any,
) -> dict[str, Any]:
    """The measures of a training; torch is imported here."""
    # threads that wait for each other sleep; spinning, they take four times as long beside any other process
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from training.evaluation.perplexity import HeldOut
    from training.fit import fit

    scored = [HeldOut(text, lang) for text, lang in held_out]
    with interruptible():
        return fit(config, shards, fingerprint, trained_vocab, folder, held_out=scored, **told)


def objective_identity(task: Any) -> dict[str, Any]:
    """An objective's name, version and fields. Its special tokens are the vocabulary's, which is an input."""
    said = {field.name: getattr(task, field.name) for field in fields(task) if field.name != "specials"}
    return {"name": task.name, "version": task.version, **said}


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C inside as what it is; Lightning makes an exit with code 1 of it."""
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise end.__context__ from end
        raise


def forget_other_builds(folder: Path, fingerprint: str) -> None:
    """Takes away checkpoints and logs of another recipe or data: only this build's may be gone on from."""
    marker = folder / MARKER
    if marker.exists() and marker.read_text() == fingerprint:
        return
    for name in ("checkpoints", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("metrics.csv", "held_out.csv", "spikes.jsonl", *FINAL):
        (folder / name).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    marker.write_text(fingerprint)


def token_shards(place: Place, made: Manifest, trained: vocab.Vocab) -> list[TokenShard]:
    """The token shards that the manifest names, memory-mapped; ConfigError if another vocabulary made them."""
    folder = local_folder(place.folder(TOKENS))
    if (digest := made.measures["vocab_digest"]) != trained.digest:
        raise ConfigError(
            f"{TOKENS} was made with the vocabulary {digest[:16]}, {VOCAB} is {trained.digest[:16]}; remove the "
            f"manifests of both and run again"
        )
    return [TokenShard.open(folder, info.shard, trained.size) for info in made.shards]


def held_out_documents(place: Place, inputs: Mapping[str, Manifest]) -> list[tuple[str, str]]:
    """(text, language) of what was held out, in order; empty where nothing was."""
    if HELDOUT not in inputs:
        return []
    return [
        (text, lang or "unknown")
        for shard in stored_files(place.folder(HELDOUT).url, inputs[HELDOUT])
        for batch in read_batches(shard.path, ["text", "lang"])
        for text, lang in zip(batch.column("text").to_pylist(), batch.column("lang").to_pylist(), strict=True)
    ]


def bigram_measures(
    shards: Sequence[TokenShard], trained: vocab.Vocab, documents: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Bits per byte of an interpolated bigram of the same training tokens on the same documents."""
    from training.evaluation.perplexity import Bits

    bigram = Bigram.fit((shard.tokens for shard in shards), trained.size)
    tokens = trained.encode_batch([text for text, _ in documents])
    bits = tuple(bigram.bits(np.concatenate([[trained.eod_id], ids])) for ids in tokens)
    sizes = tuple(len(text.encode()) for text, _ in documents)
    return Bits(domains=tuple(lang for _, lang in documents), bits=bits, n_bytes=sizes).measures()


def written(
    folder: Path, trained: vocab.Vocab, documents: Sequence[tuple[str, str]], seed: int
) -> list[dict[str, str]]:
    """What the model writes after the first words of a held-out document of each language."""
    from training import weights
    from training.generation.frame import Frame
    from training.generation.sample import Sampling, sample

    model, objective, _ = weights.trained(folder)
    frame = Frame.of(objective, trained.specials)
    sampling = Sampling(max_tokens=SAMPLE_TOKENS, seed=seed)
    prompts = {lang: " ".join(text.split()[:PROMPT_WORDS]) for text, lang in reversed(documents)} or {"any": ""}
    return [
        {"language": lang, "prompt": prompt, "text": sample(model, trained, prompt, sampling, frame)}
        for lang, prompt in sorted(prompts.items())
    ]


def _files(folder: Path) -> ShardInfo:
    infos = {}
    for name in FINAL:
        path = folder / name
        infos[name.partition(".")[0]] = FileInfo(name, path.stat().st_size, sha256_of(path))
    return ShardInfo(0, infos)
