"""The step that trains a vocabulary on the planned mixture."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from corpus.errors import ConfigError
from corpus.manifest import Manifest, ShardInfo
from corpus.parquet import read_batches
from pipelines.artifact import Built, Workshop
from pipelines.corpus_steps import stored_files
from pipelines.names import MIXTURE, VOCAB
from pipelines.recipe import Recipe
from pipelines.sections import Tokenizer
from tokenizer import measure, vocab
from tokenizer.specials import NATURAL

MEASURED_TEXTS = 64
"""Per shard and language, for the measures: enough for two digits."""


@dataclass(frozen=True)
class VocabStep:
    """`tokenizer.json`, trained on every text of the mixture as often as the mixture holds it."""

    asked: Recipe
    name: ClassVar[str] = VOCAB
    kind: ClassVar[str] = "vocabulary"
    inputs: ClassVar[tuple[str, ...]] = (MIXTURE,)
    version: ClassVar[int] = 1

    def raw_inputs(self) -> Mapping[str, Any]:
        """Nothing from outside."""
        return {}

    def recipe(self) -> Mapping[str, Any]:
        """The tokenizer section, as far as it decides entries."""
        assert self.asked.tokenizer is not None
        return {"tokenizer": decides(self.asked.tokenizer), "step_version": self.version}

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Trains, saves and measures."""
        assert self.asked.tokenizer is not None
        info, made = trained(shop, self.asked.tokenizer, mixture_texts(shop), MIXTURE)
        measures = {"vocab_size": made.size, "digest": made.digest, "by_language": _by_language(shop, made)}
        return Built(shards=(info,), measures=measures)


def decides(asked: Tokenizer) -> dict[str, Any]:
    """The tokenizer section, as far as it decides entries; what is as by default is left out."""
    said = asked.model_dump(mode="json", exclude={"marks", "reuse"}, exclude_defaults=True)
    if said.get("specials") == NATURAL[asked.model]:
        del said["specials"]
    return said


def trained(shop: Workshop, asked: Tokenizer, texts: Iterable[str], where: str) -> tuple[ShardInfo, vocab.Vocab]:
    """A vocabulary of the texts, saved in the shop's folder; ConfigError where they give too few entries."""
    shop.progress("vocabulary", 0, 1, 0)
    options = {"lowercase": asked.lowercase} if asked.model == "wordpiece" else {}
    made = vocab.train(asked.model, texts, asked.vocab_size, asked.specials, **options)
    if (found := made.get_vocab_size()) < asked.vocab_size:
        raise ConfigError(
            f"tokenizer.vocab_size is {asked.vocab_size:,}, but the text of {where} gives {found:,} entries and no "
            f"more; ask for at most that many, or mix more text"
        )
    shop.lease.check()
    files = vocab.save(made, shop.folder, asked.specials)
    shop.progress("vocabulary", 1, 1, 0)
    info = ShardInfo(0, {info.file.partition(".")[0]: info for info in files})
    return info, vocab.load(shop.folder, asked.specials)


def _by_language(shop: Workshop, made: vocab.Vocab) -> dict[str, Any]:
    """The measures on the first texts of each language in every shard, and on all of these together."""
    counts: dict[str, measure.TextCounts] = {}
    for shard in stored_files(shop.place.folder(MIXTURE).url, shop.inputs[MIXTURE]):
        texts: dict[str, list[str]] = {}
        for batch in read_batches(shard.path, ["text", "lang"], shard.size):
            for text, lang in zip(batch.column("text").to_pylist(), batch.column("lang").to_pylist(), strict=True):
                if len(found := texts.setdefault(lang or "unknown", [])) < MEASURED_TEXTS:
                    found.append(text)
        for lang, found in texts.items():
            counts[lang] = counts.get(lang, measure.TextCounts.none(made.size)) + measure.count(made, found)
    return measure.by_language(made, counts)


def mixture_texts(shop: Workshop) -> Iterator[str]:
    """The mixture's texts, shard by shard, in order."""
    for shard in stored_files(shop.place.folder(MIXTURE).url, shop.inputs[MIXTURE]):
        for batch in read_batches(shard.path, ["text"], shard.size):
            yield from batch.column("text").to_pylist()
