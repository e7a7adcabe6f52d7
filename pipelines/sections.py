"""What a recipe may say: one frozen model for each section, closed to unknown fields.

    Recipe = name, seed, sources, corpus, and a chain of which the end may be left off: mix, tokenizer, training
    corpus = extract, language, rules, dedup, against, holdout: null or empty keeps everything

Here stand names, types and bounds. Reading files, overrides and messages with line numbers are in recipe.py; a rule's
own fields are checked in rules.py. Nothing heavy is imported: a scheduler reads recipes over and over.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from corpus.errors import ConfigError
from pipelines.names import VERSION
from pipelines.wording import fault, listed, nearest, shown, unknown
from pipelines.yaml12 import Plain
from tokenizer.specials import NATURAL, SPECIALS
from training.spec import presets

Count = Annotated[int, Field(strict=True, ge=1)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]  # half of a Philox key, kept below YAML's 64 signed bits
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Positive = Annotated[float, Field(strict=True, gt=0)]
Weight = Annotated[float, Field(strict=True, ge=0)]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]  # a folder, a step of a --set path: no dot
WEIGHTS_SUM_WITHIN = 1e-6  # room for thirds written with seven digits


class Section(BaseModel):
    """A mapping with known fields; an unknown one is named together with the nearest right name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, given: object) -> object:
        if isinstance(given, BaseModel):
            return given
        fields = list(cls.model_fields)
        if not isinstance(given, Mapping):
            raise fault(f"is {shown(given)}, but should be a mapping with the fields {listed(fields)}")
        if cls.model_config["extra"] == "forbid":
            for key in given:
                if key not in fields:
                    raise fault(unknown("field", key, fields, "Fields here"), key)
        return given


class Source(Section):
    """Archives of one origin; the order of sources numbers the shards."""

    format: Literal["warc"]
    paths: tuple[Annotated[str, Field(min_length=1)], ...]  # globs, local or any fsspec URL


class Extract(Section):
    """How main text is taken from pages: the tier, and which parts of it are wanted."""

    tier: Literal["fast", "best", "resiliparse", "text"] = "fast"
    output: Literal["plain", "markdown"] = "plain"
    title: bool = False  # the page's title as first line; it is a column in any case
    comments: bool = False  # what readers wrote under an article
    tables: bool = True
    lists: bool = True
    code: bool = True
    headings: bool = True


class Language(Section):
    """Keeps pages whose first language is one of `keep`, at `min_score` or above."""

    keep: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], ...]  # ISO 639 codes, as lid.176 names them
    min_score: Share = 0.65  # FineWeb's threshold for this model

    @field_validator("keep")
    @classmethod
    def _some_in_order(cls, keep: tuple[str, ...]) -> tuple[str, ...]:
        """Sorted: the order in which languages are listed changes nothing, so it must not change the identity."""
        if not keep:
            raise fault("is empty; name the languages to keep, or write language: null to keep every page")
        return tuple(sorted(set(keep)))


class RuleEntry(Section):
    """A rule by its name in corpus/text/rules.py, or by import path (`mypkg.rules:Mine`), with its own fields."""

    model_config = ConfigDict(extra="allow")

    rule: str

    @property
    def fields(self) -> dict[str, Plain]:
        """What is given beside the name: the arguments of the rule's constructor."""
        return dict(self.model_extra or {})


class UrlDedup(Section):
    method: Literal["url"]


class ExactDedup(Section):
    method: Literal["exact"]


class MinHashDedup(Section):
    """FineWeb's setting: pages of 5-gram similarity above (1 / bands) ** (1 / rows) = 0.72 are likely joined."""

    method: Literal["minhash"]
    ngram: Count = 5
    bands: Count = 14
    rows: Count = 8

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.bands * self.rows > 10_000:  # RefinedWeb, the largest we know of, has 20 x 450 = 9,000
            raise fault(f"bands x rows = {self.bands * self.rows:,} hashes a page; at most 10,000")
        return self


Dedup = Annotated[UrlDedup | ExactDedup | MinHashDedup, Field(discriminator="method")]


class EarlierVersion(Section):
    """A released version of corpus/deduped: in this run's own root, or in another (a folder or a URL, as --root)."""

    version: Annotated[str, Field(pattern=VERSION)]  # a folder
    root: Annotated[str, Field(min_length=1)] | None = None


def _as_earlier(given: object) -> object:
    if isinstance(given, str):
        return {"version": given}
    if not isinstance(given, EarlierVersion | Mapping):
        raise fault(
            f'is {shown(given)}, but should be the name of a version, "2026-41", or {{root: ..., version: ...}}'
        )
    return given


class Against(Section):
    """Drops what an earlier snapshot has: docs/snapshots.md. The methods are some of those of corpus.dedup, all of them
    but url when left out: a page that was crawled again with another text is news."""

    versions: tuple[Annotated[EarlierVersion, BeforeValidator(_as_earlier)], ...]
    methods: tuple[Literal["url", "exact", "minhash"], ...] | None = None

    @field_validator("versions")
    @classmethod
    def _some(cls, versions: tuple[EarlierVersion, ...]) -> tuple[EarlierVersion, ...]:
        """Sorted: their order changes nothing."""
        if not versions:
            raise fault("is empty; name earlier versions, or write against: null")
        return tuple(sorted(versions, key=lambda one: (one.version, one.root or "")))

    def among(self, methods: Sequence[str]) -> tuple[str, ...]:
        """Those of a corpus's own methods that look at the earlier ones too, in its order."""
        chosen = set(methods) - {"url"} if self.methods is None else self.methods
        return tuple(method for method in methods if method in chosen)


class Holdout(Section):
    share: Annotated[float, Field(strict=True, gt=0, lt=1)]


def _null_if_empty(value: object) -> object:
    return None if value in ({}, []) else value


def _empty_if_null(value: object) -> object:
    return [] if value in (None, {}) else value


class Corpus(Section):
    """From archives to deduplicated documents."""

    extract: Extract = Extract()
    language: Annotated[Language | None, BeforeValidator(_null_if_empty)] = None
    rules: Annotated[tuple[RuleEntry, ...], BeforeValidator(_empty_if_null)] = ()
    dedup: Annotated[tuple[Dedup, ...], BeforeValidator(_empty_if_null)] = ()
    against: Annotated[Against | None, BeforeValidator(_null_if_empty)] = None
    holdout: Annotated[Holdout | None, BeforeValidator(_null_if_empty)] = None
    split_bytes: Count = 64 * 2**20  # of archives, per shard of corpus/extracted; smaller files are put together
    shard_bytes: Count = 32 * 2**20  # of stored documents, per shard of what is made from them
    max_page_bytes: Count = 10 * 2**20  # a larger record is dropped as too_large
    max_fault_share: Share = 0.5  # of a shard's rows; above it the run stops
    reject_samples: Annotated[int, Field(strict=True, ge=0)] = 5  # rejects that keep their text, per shard and reason

    @field_validator("dedup")
    @classmethod
    def _each_once(cls, dedup: tuple[Dedup, ...]) -> tuple[Dedup, ...]:
        seen: set[str] = set()
        for at, step in enumerate(dedup):
            if step.method in seen:
                raise fault(f"{step.method} stands twice; each method runs once", at)
            seen.add(step.method)
        return dedup

    @model_validator(mode="after")
    def _against_by_own_methods(self) -> Self:
        if self.against is not None:
            methods = [step.method for step in self.dedup]
            for at, method in enumerate(self.against.methods or ()):
                if method not in methods:
                    what = (
                        f"{method} is none of corpus.dedup, which has {listed(methods)}; add it there, or take it out"
                    )
                    raise fault(what, "against", "methods", at)
            if not self.against.among(methods):
                what = "compares nothing: corpus.dedup has no method for it but url; name methods: [url], or add one"
                raise fault(what if methods else "compares by the methods of corpus.dedup; add one there", "against")
        return self


class Budget(Section):
    bytes: Count  # UTF-8 bytes of text


class Mix(Section):
    """How much of each source."""

    weights: Mapping[str, Weight]  # shares of the mixture's bytes; they sum to 1
    budget: Budget
    max_epochs: Positive = 1.0  # how often a document may come at most; a source that cannot fill its share is an error

    @field_validator("weights")
    @classmethod
    def _sum_to_one(cls, weights: Mapping[str, float]) -> Mapping[str, float]:
        total = sum(weights.values())
        if abs(total - 1) > WEIGHTS_SUM_WITHIN:
            raise fault(f"weights sum to {total:.7g}, but should sum to 1")
        return weights


class Reuse(Section):
    """A vocabulary that another run has trained, in place of one of its own: a copy of its vocab/main."""

    root: Annotated[str, Field(min_length=1)]  # that run's folder, local or any fsspec URL
    version: Annotated[str, Field(pattern=VERSION)] = "dev"


class Tokenizer(Section):
    """A family of tokenizer/families.py; `specials`, of tokenizer/specials.py, is its natural one when left out."""

    model: Literal["bpe-bytes", "wordpiece", "unigram"]
    vocab_size: Annotated[int, Field(strict=True, ge=257, lt=2**31)]  # all entries, special ones too; int32
    specials: Literal["gpt2", "roberta", "llama", "bert", "t5"] | None = None
    lowercase: bool = True  # of wordpiece: BERT uncased
    marks: bool = False  # word starts and sentence ends beside the tokens, also where no objective asks for them
    reuse: Reuse | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.model != "bpe-bytes" and "unk_token" not in SPECIALS[self.specials or NATURAL[self.model]].roles:
            raise fault(f"{self.specials} has no token for what {self.model} does not know; leave it out", "specials")
        least = 256 + len(SPECIALS[self.specials or NATURAL[self.model]].all)
        if self.model == "bpe-bytes" and self.vocab_size < least:
            raise fault(f"is below {least}: 256 bytes and the special tokens", "vocab_size")
        if self.model != "wordpiece" and not self.lowercase:
            raise fault(f"belongs to wordpiece; {self.model} keeps capitals as they are: leave it out", "lowercase")
        return self


Scalar = bool | int | float | str
Options = Mapping[str, Scalar | tuple[Scalar, ...]]


class CurriculumPhase(Section):
    """The first steps, or the next ones, on shorter rows."""

    context: Annotated[int, Field(strict=True, ge=2)]
    share: Annotated[float, Field(strict=True, gt=0, lt=1)]  # of the steps
    batch_rows: Count | None = None


class TrainingRun(Section):
    """As training/run_config.py has it; what is left out is decided by the machine."""

    accelerator: Literal["auto", "cpu", "gpu"] | None = None
    strategy: Literal["auto", "ddp", "fsdp", "hsdp"] | None = None
    shards: Count | None = None
    micro_rows: Count | None = None
    compile: bool | None = None
    activation_checkpointing: bool | None = None
    deterministic: bool | None = None
    workers: Annotated[int, Field(strict=True, ge=0)] | None = None
    threads: Count | None = None
    checkpoint_every: Count | None = None
    keep_checkpoints: Count | None = None
    evaluate_every: Count | None = None
    loggers: tuple[str, ...] | None = None
    timeout: Count | None = None


class Training(Section):
    # a named size of training/families, or {preset: bert-base, layers: 4, ...}, or a family with its numbers
    model: str | Options
    # a name of training/objectives, or {name: span_corruption, its fields}
    objective: str | Options
    context: Annotated[int, Field(strict=True, ge=2)]  # tokens in a row; one of them must have a next one
    steps: Count
    # what is left out is as training/config.py has it
    document_mask: bool | None = None  # attention, and what is done to a text, stay inside documents
    batch_rows: Count | None = None  # rows of `context` tokens in a step, over all ranks; or
    batch_tokens: Count | None = None
    curriculum: tuple[CurriculumPhase, ...] | None = None  # shorter rows first
    optimizer: Literal["muon", "adamw", "adafactor"] | None = None
    learning_rate: Positive | None = None  # of matrices
    embedding_learning_rate: Positive | None = None
    betas: tuple[Share, Share] | None = None
    eps: Positive | None = None
    schedule: Literal["cosine", "wsd", "linear", "inverse_sqrt", "constant"] | None = None
    warmup_share: Share | None = None  # of the steps, in which the rates grow; or
    warmup_steps: Annotated[int, Field(strict=True, ge=0)] | None = None
    decay_share: Share | None = None
    floor_share: Share | None = None
    weight_decay: Weight | None = None
    clip_norm: Positive | None = None
    precision: Literal["auto", "32-true", "bf16-mixed", "bf16-true"] | None = None
    on_spike: Literal["tell", "skip", "stop"] | None = None
    run: TrainingRun = TrainingRun()  # how it is computed; changes no identity

    @field_validator("model")
    @classmethod
    def _known_size(cls, model: str | Options) -> str | Options:
        name = model if isinstance(model, str) else model.get("preset")
        known = list(presets())
        if name is not None and name not in known:
            raise fault(f"is {shown(name)}{nearest(str(name), known) or ';'} sizes: {listed(known)}")
        return model

    @field_validator("objective")
    @classmethod
    def _named(cls, objective: str | Options) -> str | Options:
        if not isinstance(objective, str) and not isinstance(objective.get("name"), str):
            raise fault("has no name; write {name: span_corruption, density: 0.15}")
        return objective


class Sourced(Section):
    """What every kind of recipe begins with: archives, and what becomes of them."""

    name: Name
    seed: Seed
    sources: Mapping[Name, Source]
    corpus: Corpus


class Recipe(Sourced):
    """A whole recipe; see this file's head."""

    mix: Mix | None = None
    tokenizer: Tokenizer | None = None
    training: Training | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.sources:
            raise fault("is empty; name at least one source", "sources")
        if self.training and not self.tokenizer:
            raise fault("needs a tokenizer section; add one, or leave training out", "training")
        if self.tokenizer and not self.mix:
            raise fault("needs a mix section; add one, or leave tokenizer out", "tokenizer")
        if self.mix:
            _weights_fit(self.mix.weights, list(self.sources))
        return self

    def require_inputs(self) -> None:
        """Raises ConfigError for a source without paths: such a recipe can be planned, not run."""
        for name, source in self.sources.items():
            if not source.paths:
                raise ConfigError(
                    f"sources.{name}.paths is empty: give it with --set 'sources.{name}.paths=[\"/data/*.warc.gz\"]', "
                    f"or write it into a copy made by: millstream init {self.name} > my_{self.name}.yaml"
                )

    def identity(self, section: str = "") -> Plain:
        """What a section asks for, as plain data for a fingerprint: `identity("corpus.dedup")`; "" is the whole.

        Where and how it is called do not count: paths and the recipe's name are left out. Defaults are written out,
        a section that is not there is None; KeyError for a section that cannot be there.
        """
        plain: Plain = self.model_dump(
            mode="json", exclude={"name": True, "sources": True, "tokenizer": {"reuse": {"root"}}}
        )
        # a list, for the order of sources numbers the shards and canonical JSON sorts a mapping's keys
        plain["sources"] = [{"name": name, "format": source.format} for name, source in self.sources.items()]
        for step in section.split(".") if section else ():
            plain = None if plain is None else plain[step]
        return plain


def _weights_fit(weights: Mapping[str, float], sources: Sequence[str]) -> None:
    for name in weights:
        if name not in sources:
            raise fault(unknown("source", name, sources, "Sources here"), "mix", "weights", name)
    for name in sources:
        if name not in weights:
            raise fault(f"source {name} has no weight; give it one, 0 to leave it out", "mix", "weights")
