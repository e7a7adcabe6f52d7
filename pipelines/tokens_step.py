"""The step that encodes the mixture into token shards."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from corpus.canonical import canonical_json
from corpus.errors import ConfigError
from corpus.manifest import Manifest, ShardInfo, records_from
from corpus.parquet import read_batches
from corpus.storage import Folder, sha256_of
from pipelines.artifact import Built, Workshop
from pipelines.corpus_steps import stored_files
from pipelines.names import MIXTURE, TOKENS, VOCAB
from pipelines.recipe import Recipe
from pipelines.training_plan import planned_objective
from tokenizer import vocab
from tokenizer.pack import Packed
from tokenizer.shard import Batch, TokenShard, write_shard


@dataclass(frozen=True)
class TokensStep:
    """One part per shard of the mixture, in Megatron's layout, and the record of its packing into rows."""

    asked: Recipe
    name: ClassVar[str] = TOKENS
    kind: ClassVar[str] = "tokens"
    inputs: ClassVar[tuple[str, ...]] = (MIXTURE, VOCAB)
    version: ClassVar[int] = 1

    def raw_inputs(self) -> Mapping[str, Any]:
        """Nothing from outside."""
        return {}

    def recipe(self) -> Mapping[str, Any]:
        """The row length, for the packing record, and whether there are to be marks."""
        return {"row_len": self._row_len, **({"marks": True} if self._marks else {}), "step_version": self.version}

    @property
    def _row_len(self) -> int:
        return self.asked.training.context if self.asked.training else 1024

    @property
    def _marks(self) -> bool:
        """Whether the recipe or its objective asks for marks."""
        assert self.asked.tokenizer is not None
        return self.asked.tokenizer.marks or (self.asked.training is not None and planned_objective(self.asked).marks)

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Encodes part after part; parts that an earlier try has committed are used."""
        folder = local_folder(shop.folder)
        trained = vocab.load(shop.place.folder(VOCAB))
        sources = stored_files(shop.place.folder(MIXTURE).url, shop.inputs[MIXTURE])
        infos, documents = [], 0
        for done, source in enumerate(sources):
            shop.progress("tokens", done, len(sources), documents)
            rows = read_batches(source.path, ["id", "source", "url", "copy", "text"])
            infos.append(part(shop, trained, source.number, rows, marks=self._marks))
            documents += source.rows
        shop.progress("tokens", len(sources), len(sources), documents)
        parts = [TokenShard.open(folder, source.number, trained.size) for source in sources]
        return Built(shards=tuple(infos), measures=measures(shop.folder, parts, trained, self._row_len))


def measures(folder: Folder, parts: Sequence[TokenShard], trained: vocab.Vocab, row_len: int) -> dict[str, Any]:
    """What there is of tokens; writes the record of their packing."""
    packed = Packed(parts, row_len).record()
    folder.write("pack.json", canonical_json(packed))
    described = {"vocab_digest": trained.digest, "vocab_size": trained.size, "eod_id": trained.eod_id}
    dtype = str(parts[0].tokens.dtype) if parts else "none"
    counts = {"n_documents": sum(p.n_documents for p in parts), "tokens_by_source": tokens_by_source(parts)}
    return {**packed, **described, "dtype": dtype, **counts}


def tokens_by_source(parts: Sequence[TokenShard]) -> dict[str, int]:
    """Tokens, ends of documents included, by the source of their document."""
    counts: Counter[str] = Counter()
    for part in parts:
        sums = part.origins.group_by("source", use_threads=False).aggregate([("n_tokens", "sum")])
        counts.update(dict(zip(sums["source"].to_pylist(), sums["n_tokens_sum"].to_pylist(), strict=True)))
    return dict(sorted(counts.items()))


def part(
    shop: Workshop, trained: vocab.Vocab, number: int, rows: Iterable[pa.RecordBatch], *, marks: bool
) -> ShardInfo:
    """One part, with a commit record of this build beside it, which counts only if the files are as it says."""
    commits, record = shop.folder / "commits" / shop.fingerprint[:16], f"{number:05d}.json"
    if commits.exists(record):
        found: ShardInfo = records_from(commits.read(record))
        if _whole(local_folder(shop.folder), found):
            return found
        commits.remove(record)

    def encoded() -> Iterator[Batch]:
        for batch in rows:
            yield trained.encoded(batch, batch.column("text").to_pylist(), marks=marks)
        shop.lease.check()  # here, for encoding takes long, and next the files are given their names

    written = write_shard(shop.folder, number, encoded(), vocab_size=trained.size, eod_id=trained.eod_id)
    info = ShardInfo(number, {file.file.partition(".")[2]: file for file in written.files})
    shop.lease.check()
    commits.create(record, canonical_json(info))
    return info


def _whole(folder: Path, found: ShardInfo) -> bool:
    """Whether a part's files are, byte for byte, those of its record."""
    paths = [(folder / info.file, info) for info in found.files.values()]
    return all(
        path.is_file() and path.stat().st_size == info.size and sha256_of(path) == info.sha256 for path, info in paths
    )


def local_folder(folder: Folder) -> Path:
    """The folder on a local disk; ConfigError where it is on another store, for token shards are memory-mapped."""
    if folder.local is None:
        raise ConfigError(f"{folder.url}: from the token shards on, --root must be on a local disk")
    return folder.local
