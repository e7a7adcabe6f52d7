"""A small run as the pipeline leaves one: corpora through the real writer, manifests with the real measures."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from corpus.canonical import canonical_json
from corpus.lease import Lease
from corpus.manifest import MANIFEST, Manifest
from corpus.measures import added_up
from corpus.schema import DOCUMENT, document_id, joined
from corpus.shards import ShardWriter
from corpus.stages.duplicates import VERDICT
from corpus.storage import Folder
from pipelines.artifact import Place

EXTRACTED, PAGES, DEDUPED = "corpus/extracted", "corpus/pages", "corpus/deduped"
HELDOUT, MIXTURE = "corpus/heldout", "corpus/mixture"
LINE = (EXTRACTED, PAGES, DEDUPED)
ALL = (*LINE, HELDOUT, MIXTURE, "vocab/main", "tokens/main", "checkpoint/main")

SCHEMA = joined(
    DOCUMENT,
    VERDICT,
    pa.schema([("lang", pa.string()), ("n_words", pa.int64()), ("copy", pa.int32())]),
)
Row = dict[str, Any]


def plan(*stages: str) -> dict[str, Any]:
    """Stages one after the other, as `corpus.plan.described` writes them."""
    made: dict[str, Any] = {"read": "splits", "columns": {}}
    for stage in stages:
        made = {"map": {"stage": stage}, "source": made}
    return made


def page(number: int, text: str | None, url: str | None = None, lang: str = "en", **marks: Any) -> Row:
    """A row; with `dropped_by` and `drop_reason` it is a reject."""
    row = dict.fromkeys(SCHEMA.names) | {
        "id": document_id("web", str(number)),
        "shard": 0,
        "row": number,
        "source": "web",
        "origin": f"a.warc.gz:{number}:0",
        "url": url or f"https://host{number % 3}.example/{number}",
        "text": text,
        "lang": lang,
        "n_words": len((text or "").split()),
        "copy": 0,
    }
    return row | marks


def dropped(row: Row, by: str, reason: str, **more: Any) -> Row:
    """The row, marked."""
    return row | {"dropped_by": by, "drop_reason": reason} | more


def put_corpus(
    place: Place, name: str, rows: Sequence[Row], stages: Sequence[str], recipe: Mapping[str, Any] | None = None
) -> Manifest:
    """Writes an artifact of one shard."""
    folder = place.folder(name)
    writer = ShardWriter(folder, hashlib.sha256(name.encode()).hexdigest(), Lease.take(folder / "run"), 3, 1.0)
    writer.write(0, [pa.RecordBatch.from_pylist(list(rows), SCHEMA)], SCHEMA)
    (record,) = writer.records([0])
    manifest = Manifest(
        name=name,
        version=place.version,
        kind="corpus",
        fingerprint=writer.fingerprint,
        recipe=recipe or {},
        inputs={},
        plan=plan(*stages),
        tally=record.tally,
        shards=(record.info,),
        measures=added_up([record.measures]),
    )
    put(place, manifest)
    return manifest


def put(place: Place, manifest: Manifest) -> None:
    """The manifest and a run.json."""
    run = {
        "commit": "0123456789abcdef0123",
        "engine": "local",
        "started": "2026-11-20T08:30:00+00:00",
        "seconds": 12.5,
        "workers": 2,
        "cpu_seconds": 20.25,
        "peak_rss": 345_000_000,
    }
    place.folder(manifest.name).write(MANIFEST, manifest.to_json())
    place.folder(manifest.name).write("run.json", canonical_json(run))


def put_other(place: Place, name: str, kind: str, measures: Mapping[str, Any]) -> None:
    """An artifact that is no corpus."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    put(place, Manifest(name, place.version, kind, digest, {"seed": 17}, {}, None, measures=measures))


def build(root: Path, hostile: str = "", artifacts: Sequence[str] = ALL) -> Place:
    """A whole run; `hostile` is put wherever words of the web or of a user come in."""
    place = Place(Folder(str(root)))
    texts = [f"{hostile} Page {n} says things. " * (1 + n) for n in range(30)]
    pages = [page(n, text, lang=("de" if n % 4 == 0 else "en")) for n, text in enumerate(texts)]
    pages[1]["url"] = f"https://{hostile or 'one'}.example/{hostile}"
    broken = [dropped(page(90 + n, None), "read_warc", "broken_record", fault=f"cut {hostile}") for n in range(4)]
    judged = [dropped(row, "c4", "too_few_sentences") for row in pages[20:25]]
    foreign = [dropped(row, "language_filter", hostile or "other_language") for row in pages[25:30]]
    kept = [row | {"text": row["text"][:-10]} for row in pages[:20]]
    same = [
        dropped(row, "exact_dedup", "exact_duplicate", duplicate_of=kept[1]["id"], cluster_size=5)
        for row in kept[16:20]
    ]
    held = [dropped(row, "holdout", "held_out") for row in kept[14:16]]
    rest = [dropped(row, "holdout", "not_held_out") for row in kept[:14]]
    copies = [row | {"copy": copy} for row in kept[:14] for copy in range(2)]
    n_bytes = sum(len(row["text"].encode()) for row in kept[:14])
    mix = {"mix": {"weights": {"web": 1.0}, "budget": {"bytes": 2 * n_bytes}, "max_epochs": 4}}
    corpora: dict[str, tuple[Any, ...]] = {
        EXTRACTED: ([*pages, *broken], ("read_warc", "extract")),
        PAGES: ([*kept, *judged, *foreign], ("language_filter", "c4")),
        DEDUPED: ([*kept[:16], *same], ("exact_dedup",)),
        HELDOUT: ([*kept[14:16], *rest], ("holdout",)),
        MIXTURE: ([*copies, *held], ("holdout", "copies"), mix),
    }
    for name in artifacts:
        if name in corpora:
            put_corpus(place, name, *corpora[name])
    put_learnt(place, hostile, artifacts)
    return place


def put_learnt(place: Place, hostile: str, artifacts: Sequence[str]) -> None:
    """Vocabulary, token shards and a checkpoint with its curve."""
    by_language = {
        "en": {"bytes_per_token": 4.0, "used_share": 0.5},
        "all": {"bytes_per_token": 3.9, "used_share": 0.6},
    }
    held_out = {"bits": 800.0, "bytes": 500, "documents": 2}
    scores = {
        name: {**held_out, "bits_per_byte": n, "by_domain": {"en": n}}
        for name, n in (("held_out", 1.612), ("held_out_bigram", 2.213), ("held_out_untrained", 3.314))
    }
    samples = [{"language": "en", "prompt": f"Once {hostile}", "text": f" upon a {hostile} time"}]
    measures: dict[str, tuple[str, Mapping[str, Any]]] = {
        "vocab/main": ("vocabulary", {"vocab_size": 300, "by_language": by_language}),
        "tokens/main": ("tokens", {"n_tokens": 1_234_567, "dtype": "uint16"}),
        "checkpoint/main": ("checkpoint", {"n_params": 1_000_000, "samples": samples, **scores}),
    }
    for name in artifacts:
        if name in measures:
            put_other(place, name, *measures[name])
    if "checkpoint/main" in artifacts:
        rows = [f"{step},{9 - step / 10},{0.001 * step / 40},{step * 2048},1000.0" for step in range(1, 41)]
        text = "\n".join(["step,loss,learning_rate,tokens,tokens_per_second", *rows, "41,8."])
        place.folder("checkpoint/main").write("metrics.csv", text.encode())
