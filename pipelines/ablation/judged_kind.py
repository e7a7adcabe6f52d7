"""Whether a corpus is of the kind that a verdict judged: every number of the one can be followed to the other.

Compared are an arm's corpus/extracted and corpus/pages with those of the corpus, recipe and plan: sources, the tier of
extraction, rules and language with every stage's version, settings and models. Of corpus/deduped only the methods are:
its plan depends on how many pages there are, and what earlier snapshots had is not the corpus's own quality. How shards
are cut and how many rejects keep their text decides no document and is left aside. The files that the arm read must be
among those that the corpus read, by content.
Limits: an object store's etag and a sha256 do not compare, so both must have read the files from places of one kind.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from corpus.errors import DataError
from corpus.manifest import Manifest
from pipelines.ablation.corpora import corpus_place
from pipelines.artifact import Place, changed_inputs, made_from
from pipelines.names import DEDUPED, EXTRACTED, PAGES
from pipelines.runner import differences

CUT = ("split_bytes", "shard_bytes", "reject_samples")
TOLD = 3
"""Differences that an error names."""

Corpus = Mapping[str, Manifest]


def corpus_at(place: Place) -> Corpus:
    """The manifests from archives to deduplicated documents; DataError where one is missing or was not made from the
    one beside it."""
    made = {name: place.need(name) for name in (EXTRACTED, PAGES, DEDUPED)}
    for name, manifest in made.items():
        for changed in changed_inputs(place, manifest):
            raise DataError(
                f"{name}@{place.version} in {place.root.url} was made from another {changed} than the one beside it; "
                f"run again"
            )
    return made


def judged_corpus(place: Place, verdict: Manifest, arm: str) -> Corpus:
    """The corpus of an arm in an ablation's place; DataError where it is another than the verdict judged."""
    corpus = corpus_at(corpus_place(place, arm))
    tokens = {
        name: digest for name, digest in made_from(verdict) if name.startswith("tokens/") and name.endswith(f"/{arm}")
    }
    there = {name: place.need(name) for name in tokens}
    changed = [name for name, digest in tokens.items() if there[name].fingerprint != digest]
    read = {manifest.inputs.get(f"corpora/{arm}") for manifest in there.values()}
    if changed or read != {corpus[DEDUPED].fingerprint}:
        raise DataError(
            f"the verdict in {place.root.url} judged another corpus than lies in corpora/{arm} now; run `millstream "
            f"ablate` again"
        )
    return corpus


def check_same_kind(judged: Corpus, arm: str, corpus: Corpus) -> None:
    """DataError saying what differs, field by field, or which files were judged and are not in the corpus."""
    version = corpus[DEDUPED].version
    changes = [
        f"{name} {change}"
        for name in (EXTRACTED, PAGES, DEDUPED)
        for change in differences(replace(judged[name], **_deciding(judged[name])), _deciding(corpus[name]))
    ]
    if changes:
        more = f"; and {len(changes) - TOLD} more" if len(changes) > TOLD else ""
        raise DataError(
            f"arm {arm} and version {version} are corpora of different kinds: {'; '.join(changes[:TOLD])}{more}. Judge "
            f"the recipe that is to be promoted"
        )
    of_arm, of_corpus = (corpus[EXTRACTED].inputs for corpus in (judged, corpus))
    has = {file["content"] for file in of_corpus["files"]}
    if lacks := [file["file"] for file in of_arm["files"] if file["content"] not in has]:
        raise DataError(
            f"version {version} did not read {len(lacks)} of the {len(of_arm['files'])} files that arm {arm} was made "
            f"from, the first: {lacks[0]}; judge a corpus of its files"
        )
    if of_corpus["limit"] not in (None, of_arm["limit"]):
        raise DataError(
            f"version {version} holds the first {of_corpus['limit']:,} records alone, and arm {arm} more; build the "
            f"whole version without --limit"
        )


def _deciding(made: Manifest) -> dict[str, Any]:
    """What decides which documents there are, as `differences` takes it."""
    if made.name == DEDUPED:
        return {"recipe": {"dedup": made.recipe["dedup"]}, "plan": None, "inputs": {}, "kind": made.kind}
    recipe = {field: value for field, value in made.recipe.items() if field not in CUT}
    return {"recipe": recipe, "plan": made.plan, "inputs": {}, "kind": made.kind}
