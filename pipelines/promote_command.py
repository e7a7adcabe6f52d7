"""`millstream promote`: a corpus version becomes the one that is used, where an ablation's gate holds.

    ROOT/promoted.json      the version in use, what it was judged by, and the version before it

The file is replaced as a whole, so whoever reads it finds one version or the other. Of two promotions at one moment
the later stands.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from corpus.canonical import canonical_json
from corpus.errors import ConfigError, DataError, GateError
from corpus.manifest import Manifest
from corpus.storage import Folder
from pipelines.ablation.gate import failed
from pipelines.ablation.judged_kind import check_same_kind, corpus_at, judged_corpus
from pipelines.ablation.outcome import FOUND
from pipelines.ablation.table import gate_lines
from pipelines.artifact import Place
from pipelines.commands import check_version
from pipelines.names import DEDUPED, VERDICT
from pipelines.verify import file_faults

PROMOTED = "promoted.json"


def promote(root: str, version: str, verdict_root: str, verdict_version: str) -> None:
    """Prints what the gate says, and promotes; GateError, with nothing changed, where the gate does not hold."""
    check_version(version)
    check_version(verdict_version)
    place, ablation = Place(Folder(root), version), Place(Folder(verdict_root), verdict_version)
    corpus = corpus_at(place)
    verdict = _verdict(ablation)
    gate = _gate(ablation)
    check_same_kind(judged_corpus(ablation, verdict, gate["arm"]), gate["arm"], corpus)
    console = Console()
    for line in gate_lines(gate):
        console.print(line)
    if faults := failed(gate):
        more = f" ({len(faults)} conditions do not hold)" if len(faults) > 1 else ""
        raise GateError(f"the gate does not hold: {faults[0]}{more}; nothing was promoted")
    judged_by = {"fingerprint": verdict.fingerprint, "version": verdict_version, "conditions": gate["conditions"]}
    console.print(_promoted(place, corpus[DEDUPED].fingerprint, judged_by), soft_wrap=True, highlight=False)


def _promoted(place: Place, fingerprint: str, judged_by: Mapping[str, Any]) -> str:
    """Writes the record unless it says so already; a sentence about it."""
    before = _record(place.root)
    if before and (before["version"], before["fingerprint"]) == (place.version, fingerprint):
        return f"{place.version} is promoted already, since {before['when']}"
    record = {
        "version": place.version,
        "artifact": DEDUPED,
        "fingerprint": fingerprint,
        "verdict": judged_by,
        "before": before and before["version"],
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    place.root.write(PROMOTED, canonical_json(record))
    return f"{place.version} is promoted" + (f", {before['version']} was before" if before else "")


def _record(root: Folder) -> dict[str, str] | None:
    """What was promoted before; DataError for a file that does not say it."""
    data = root.found(PROMOTED)
    if data is None:
        return None
    try:
        record = json.loads(data)
        return {field: str(record[field]) for field in ("version", "fingerprint", "when")}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{root.path(PROMOTED)} is no record of a promotion ({error}); restore or remove it") from error


def _verdict(ablation: Place) -> Manifest:
    """The verdict's manifest; DataError where there is none, or its files are not as it says."""
    verdict, url = ablation.manifest(VERDICT), ablation.root.url
    if verdict is None:
        raise DataError(
            f"{VERDICT}@{ablation.version} is not in {url}; make it with `millstream ablate RECIPE --root {url}`"
        )
    for shard in verdict.shards:
        for info in shard.files.values():
            for fault in file_faults(ablation.folder(VERDICT), info):
                raise DataError(f"{VERDICT}@{ablation.version} in {url}: {fault}; remove its folder and run again")
    return verdict


def _gate(ablation: Place) -> dict[str, Any]:
    """What the verdict says of its gate; ConfigError where its recipe has none."""
    gate: dict[str, Any] | None = json.loads(ablation.folder(VERDICT).read(FOUND)).get("gate")
    if gate is None:
        raise ConfigError(
            f"the verdict in {ablation.root.url} has no gate; write one into the ablation's recipe (docs/ablation.md) "
            f"and run it again: only the verdict is made anew"
        )
    return gate
