"""The steps that make corpora, each a plan over the one before it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpus.canonical import canonical_json
from corpus.errors import ConfigError
from corpus.flows import buckets_for, exact_dedup, from_splits, mapped, near_dedup, stored, unseen, url_dedup
from corpus.manifest import Manifest, ShardInfo, Tally, summed
from corpus.measures import added_up
from corpus.plan import Attach, Group, Map, Plan, schema_of
from corpus.shards import ShardWriter
from corpus.splits import gather
from corpus.stage import Stage
from corpus.stages.extract import Extract
from corpus.stages.holdout import HoldOut
from corpus.stages.keys import BandKeys, ExactKey, UrlKey
from corpus.stages.language import Language, LanguageFilter
from corpus.stages.measure import Measure
from corpus.stages.mix import Copies
from corpus.stages.quota import FillQuota, Sizes
from corpus.stages.text_filter import text_filter
from corpus.stages.warc import WarcReader
from corpus.storage import Folder
from corpus.text.minhash import MinHash
from corpus.text.mixing import Quota, quotas
from pipelines.artifact import Built, Workshop
from pipelines.earlier import Earlier, earlier_corpora, require_other
from pipelines.engines.engine import StoredFile, StoredShard
from pipelines.inputs import RawInputs
from pipelines.names import DEDUPED, EXTRACTED, HELDOUT, MIXTURE, PAGES
from pipelines.recipe import Recipe, build_rules
from pipelines.sections import ExactDedup, MinHashDedup, UrlDedup


@dataclass(frozen=True)
class CorpusStep:
    """A corpus by its plan. `follows` is the part of the recipe that the plan was made from."""

    name: str
    inputs: tuple[str, ...]
    follows: Mapping[str, Any]
    make_plan: Callable[[Mapping[str, Manifest]], Plan]
    max_fault_share: float
    reject_samples: int
    shard_bytes: int
    raw: RawInputs | None = None
    earlier: tuple[Earlier, ...] = ()
    kind: str = field(default="corpus", init=False)

    def raw_inputs(self) -> Mapping[str, Any]:
        """The archives, and the earlier corpora, by content."""
        files = {} if self.raw is None else {"files": self.raw.contents, "limit": self.raw.limit}
        return files | ({"against": {one.label: one.fingerprint for one in self.earlier}} if self.earlier else {})

    def recipe(self) -> Mapping[str, Any]:
        """What it follows, how many rejects keep their text, and, where shards are put together, how large they are."""
        cut = {"shard_bytes": self.shard_bytes} if self.raw is None else {}
        return {**self.follows, "reject_samples": self.reject_samples, **cut}

    def plan(self, inputs: Mapping[str, Manifest]) -> Plan:
        """The plan, made from the recipe and, for a mixture, from what there is to mix."""
        return self.make_plan(inputs)

    def build(self, shop: Workshop) -> Built:
        """Runs the plan and gathers the commit records."""
        plan = self.plan(shop.inputs)
        writer = ShardWriter(shop.folder, shop.fingerprint, shop.lease, self.reject_samples, self.max_fault_share)
        shards = shop.engine.run(plan, self._sources(shop), writer, shop.progress)
        infos: list[ShardInfo] = []
        tally: tuple[Tally, ...] = ()

        def each() -> Iterator[Mapping[str, Any]]:
            nonlocal tally
            for record in writer.records(shards):
                infos.append(record.info)
                tally = summed([*tally, *record.tally])
                yield record.measures

        measures = added_up(each())
        return Built(tally, tuple(infos), measures)

    def _sources(self, shop: Workshop) -> dict[str, Any]:
        if self.raw is not None:
            splits = self.raw.splits
            shop.folder.write("splits.json", canonical_json([split.listed() for split in splits]))
            return {"splits": splits}
        found = {name: stored_files(shop.place.folder(name).url, m) for name, m in shop.inputs.items()}
        for one in self.earlier:
            found[one.name] = stored_files(one.place.folder(DEDUPED).url, one.place.need(DEDUPED))
        return {name: stored_shards(files, self.shard_bytes) for name, files in found.items()}


def stored_files(folder_url: str, manifest: Manifest) -> list[StoredFile]:
    """The kept documents of a corpus, as its manifest names them."""
    found = [(info.shard, info.files["data"]) for info in manifest.shards]
    return [StoredFile(number, f"{folder_url}/{data.file}", data.rows or 0, data.size) for number, data in found]


def stored_shards(files: Iterable[StoredFile], shard_bytes: int) -> list[StoredShard]:
    """What becomes one shard of the next corpus: neighbours that have `shard_bytes` together."""
    return [StoredShard(n, group) for n, group in enumerate(gather(files, lambda file: file.size, shard_bytes))]


def corpus_steps(recipe: Recipe, limit: int | None, memory: Folder) -> list[CorpusStep]:
    """The steps from archives to a mixture that the recipe asks for, inputs first."""
    wanted = recipe.corpus
    reader = WarcReader(max_page_bytes=wanted.max_page_bytes)
    sources = {name: source.paths for name, source in recipe.sources.items()}
    raw = RawInputs(sources, wanted.split_bytes, limit, memory, reader)
    extracted = from_splits([reader, Extract(**wanted.extract.model_dump()), Language()])
    pages = mapped(stored(EXTRACTED, schema_of(extracted)), page_stages(recipe))
    to_dedup = stored(PAGES, schema_of(pages))
    earlier = earlier_corpora(wanted.against, memory)

    def step(name: str, inputs: tuple[str, ...], plan: PlanMaker, *sections: str, **more: Any) -> CorpusStep:
        follows = {section.rpartition(".")[2]: recipe.identity(section) for section in sections}
        follows |= {"against": list(_compared(recipe))} if more.get("earlier") else {}
        bounds = (wanted.max_fault_share, wanted.reject_samples, wanted.shard_bytes)
        return CorpusStep(name, inputs, follows, plan, *bounds, **more)

    def dedup_plan(found: Mapping[str, Manifest]) -> Plan:
        if PAGES in found:
            require_other(earlier, memory, found[PAGES].version)
        return deduplicated(recipe, to_dedup, found, earlier)

    steps = [
        step(EXTRACTED, (), lambda _: extracted, "sources", "corpus.extract", "corpus.split_bytes", raw=raw),
        step(PAGES, (EXTRACTED,), lambda _: pages, "corpus.language", "corpus.rules"),
        step(DEDUPED, (PAGES,), dedup_plan, "corpus.dedup", earlier=earlier),
    ]
    source = stored(DEDUPED, schema_of(dedup_plan({})))
    if wanted.holdout is not None:
        held = Map(source, HoldOut(share=wanted.holdout.share, seed=recipe.seed, keep="heldout"))
        steps.append(step(HELDOUT, (DEDUPED,), lambda _: held, "seed", "corpus.holdout"))
    if recipe.mix is not None:
        inputs = (DEDUPED,) if wanted.holdout is None else (DEDUPED, HELDOUT)
        sections = ("seed", "corpus.holdout", "mix")
        steps.append(step(MIXTURE, inputs, lambda found: mixture(recipe, source, found), *sections))
    return steps


PlanMaker = Callable[[Mapping[str, Manifest]], Plan]


def page_stages(recipe: Recipe) -> list[Stage]:
    """The judges of corpus/pages: language, then the rules in their order; lengths at the end."""
    language = recipe.corpus.language
    judges = [] if language is None else [LanguageFilter(keep=language.keep, min_score=language.min_score)]
    rules = [
        text_filter(entry.rule.rpartition(":")[2].lower(), rule)
        for entry, rule in zip(recipe.corpus.rules, build_rules(recipe.corpus.rules), strict=True)
    ]
    return [*judges, *rules, Measure()]


def deduplicated(recipe: Recipe, pages: Plan, found: Mapping[str, Manifest], earlier: Sequence[Earlier] = ()) -> Plan:
    """The recipe's methods one after the other, each with as many buckets as the pages at hand ask for; then those that
    look at earlier corpora, so that what stays in the snapshot's own clusters does not depend on the past."""
    n_pages = found[PAGES].kept if PAGES in found else 0
    for method in recipe.corpus.dedup:
        match method:
            case UrlDedup():
                pages = url_dedup(pages, buckets_for(n_pages))
            case ExactDedup():
                pages = exact_dedup(pages, buckets_for(n_pages))
            case MinHashDedup(bands=bands):
                pages = near_dedup(pages, _minhash(method), buckets_for(n_pages * bands))
    corpora = {one.label: one.documents for one in earlier}
    n_documents = n_pages + sum(one.kept for one in earlier)
    for method in recipe.corpus.dedup:
        if method.method in _compared(recipe):
            keys, reason, n_keys = _keys(method)
            pages = unseen(pages, corpora, keys, reason, buckets_for(n_documents * n_keys))
    return pages


def _compared(recipe: Recipe) -> tuple[str, ...]:
    """The methods that look at earlier corpora."""
    against = recipe.corpus.against
    return () if against is None else against.among([method.method for method in recipe.corpus.dedup])


def _keys(method: UrlDedup | ExactDedup | MinHashDedup) -> tuple[Stage, str, int]:
    """What a method compares, why a page goes that an earlier corpus has by it, and how many keys a page has."""
    match method:
        case UrlDedup():
            return UrlKey(), "seen_url", 1
        case ExactDedup():
            return ExactKey(), "seen_text", 1
        case MinHashDedup(bands=bands):
            return BandKeys(minhash=_minhash(method)), "seen_near", bands


def _minhash(method: MinHashDedup) -> MinHash:
    return MinHash(ngram=method.ngram, bands=method.bands, rows=method.rows)


def mixture_quotas(recipe: Recipe, found: Mapping[str, Manifest]) -> dict[str, Quota]:
    """What each source gives; ConfigError when one cannot fill its share."""
    assert recipe.mix is not None
    has = dict.fromkeys(recipe.sources, 0) | {s: n for s, (_, n) in found[DEDUPED].kept_by_source().items()}
    held = found[HELDOUT].kept_by_source() if HELDOUT in found else {}
    has = {source: n - held.get(source, (0, 0))[1] for source, n in has.items()}
    if empty := [source for source, weight in recipe.mix.weights.items() if weight > 0 and not has[source]]:
        raise ConfigError(
            f"mix: nothing is left of {', '.join(empty)} to mix; `millstream show` of corpus/extracted, corpus/pages "
            f"and corpus/deduped says what dropped it (weight 0 leaves a source out)"
        )
    try:
        return quotas(has, recipe.mix.weights, recipe.mix.budget.bytes, recipe.mix.max_epochs)
    except ValueError as error:
        raise ConfigError(f"mix: {error}; lower mix.budget.bytes, raise mix.max_epochs, or read more") from error


def mixture(recipe: Recipe, deduped: Plan, found: Mapping[str, Manifest]) -> Plan:
    """Training documents as often as their sources' quotas ask for."""
    holdout = recipe.corpus.holdout
    train = deduped
    if holdout is not None:
        train = Map(deduped, HoldOut(share=holdout.share, seed=recipe.seed, keep="train"))
    wanted = tuple((source, quota.requested_bytes) for source, quota in mixture_quotas(recipe, found).items())
    filled = Group(Map(train, Sizes()), FillQuota(quotas=wanted, seed=recipe.seed))
    return Map(Attach(train, filled), Copies())
