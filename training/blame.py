"""Which rows made a step bad: each row's own loss, and the documents that it is made of.

    spikes.jsonl   {"step": 1234, "verdict": "spike", "loss": 9.1, "grad_norm": 45.0, "skipped": true, "rows": [...]}
        a row      {"row": 88123, "epoch": 0, "stretch": 0, "nats_per_target": 11.3, "documents": [...]}
        a document {"id", "url", "source", "part", "document", "first_token", "tokens"}

One line an event, the worst rows first. A figure that is no finite number is written as "nan", "inf" or "-inf", which
JSON has no number for. Legend: B batch, T tokens.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from training.data import Sample
from training.models import Batch, Model
from training.objective import IGNORED, Rows
from training.spikes import Verdict

TOLD = 8
"""Rows of an event: a bad document spoils one or a few; a step of which all are bad is not the rows' fault."""

Record = dict[str, Any]


@torch.no_grad()
def row_nats(model: Model, batch: Batch) -> list[float]:
    """Nats per target of each row's tokens; 0 where it has no target. One forward pass, nothing is learnt."""
    nats_B = model.scores(batch).double().sum(dim=1)
    targets_B = (batch["targets"] != IGNORED).sum(dim=1)
    nats: list[float] = (nats_B / targets_B.clamp(min=1)).tolist()
    return nats


def accused(rows: Sequence[Rows], samples: Iterable[Sample], nats: Iterable[float]) -> list[Record]:
    """The worst of these rows and what they are made of; `rows` are those of each stretch."""
    found = [
        {"row": sample.row, "epoch": sample.epoch, "stretch": sample.stretch, "nats_per_target": value}
        for sample, value in zip(samples, nats, strict=True)
    ]
    return [
        {**record, "documents": _documents(rows[record["stretch"]], record["row"])} for record in worst_first(found)
    ]


def worst_first(records: Iterable[Record]) -> list[Record]:
    """The TOLD rows of highest loss, those whose loss is no number before all; of one rank or of several together."""
    return sorted(records, key=_badness)[:TOLD]


def _badness(record: Record) -> tuple[bool, float, int]:
    value = float(record["nats_per_target"])
    return not math.isnan(value), 0.0 if math.isnan(value) else -value, record["row"]


def _documents(rows: Rows, i: int) -> list[Record]:
    return [
        {
            "id": span.id,
            "url": span.url,
            "source": span.source,
            "part": span.part,
            "document": span.document,
            "first_token": span.first_token,
            "tokens": span.row_stop - span.row_start,
        }
        for span in rows.documents(i)
    ]


def event(
    step: int, verdict: Verdict, loss: float, grad_norm: float, *, skipped: bool, rows: Sequence[Record]
) -> Record:
    """What a line of spikes.jsonl says."""
    said = {"step": step, "verdict": verdict, "loss": loss, "grad_norm": grad_norm, "skipped": skipped}
    return said | {"rows": list(rows)}


def append(path: Path, event: Record) -> None:
    """One more line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(_plain(event), allow_nan=False) + "\n")


def keep_events(path: Path, last_step: int) -> None:
    """Rewrites the file with its events up to a step, whose later ones come again; a last line that a kill cut short
    is left out. Never half written."""
    if not path.exists():
        return
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    kept = [line + "\n" for line in whole if json.loads(line)["step"] <= last_step]
    beside = path.with_suffix(".tmp")
    beside.write_text("".join(kept), encoding="utf-8")
    beside.replace(path)


def told(event: Record) -> str:
    """The event in one sentence."""
    what = "is no number" if event["verdict"] == "nonfinite" else "leapt"
    done = "its update was left out" if event["skipped"] else "the weights were moved"
    head = f"step {event['step']:,} {what} (loss {event['loss']:.4g}, gradient norm {event['grad_norm']:.4g}); {done}"
    if not event["rows"]:
        return head
    worst = event["rows"][0]
    return f"{head}; its worst row is {worst['row']} with {worst['nats_per_target']:.4g} nats per target, of " + (
        ", ".join(_places(worst["documents"]))
    )


def _places(documents: Sequence[Record]) -> Iterator[str]:
    for document in sorted(documents, key=lambda record: -record["tokens"])[:2]:
        stop = document["first_token"] + document["tokens"]
        name = document["url"] or document["id"] or f"document {document['document']} of part {document['part']}"
        yield f"{name} (tokens {document['first_token']}-{stop - 1})"
    if len(documents) > 2:
        yield f"{len(documents) - 2} more"


def _plain(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list():
            return [_plain(part) for part in value]
    return value
