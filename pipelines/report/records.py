"""What the report is drawn from: an artifact's manifest, its run.json, and what lies beside them by name."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from corpus.manifest import Manifest
from corpus.parquet import read_batches
from corpus.storage import Folder
from pipelines.artifact import Place

REJECT_SHARDS = 16
"""How many shards are looked into for sample rejects: each holds a seeded sample of each of its reasons, so more would
change the choice and not its size."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """An artifact as it stands in its folder; `run` is empty where run.json is missing."""

    manifest: Manifest
    run: Mapping[str, Any]
    folder: Folder

    @property
    def label(self) -> str:
        """How people name it: corpus/pages@dev."""
        return f"{self.manifest.name}@{self.manifest.version}"

    def measure(self, *path: str) -> Any:
        """The measure at a path of keys, or None."""
        value: Any = self.manifest.measures
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def rejects(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The dropped rows of the first shards, with those of these columns that they have."""
        files = (info.files["rejects"].file for info in self.manifest.shards if "rejects" in info.files)
        return chain.from_iterable(
            read_batches(self.folder.path(file), columns) for file in islice(files, REJECT_SHARDS)
        )

    def lines(self, name: str) -> list[str]:
        """The lines of a text file in its folder, without a last one that a kill cut short; none without the file."""
        if not self.folder.exists(name):
            return []
        return self.folder.read(name).rpartition(b"\n")[0].decode().splitlines()

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of a CSV file in its folder, by its own columns."""
        return list(csv.DictReader(self.lines(name)))


def records(place: Place, artifacts: Sequence[str]) -> dict[str, Record]:
    """The artifacts that are whole, by name, in the order given."""
    found = {}
    for name in artifacts:
        manifest, folder = place.manifest(name), place.folder(name)
        if manifest is not None:
            run = json.loads(folder.read("run.json")) if folder.exists("run.json") else {}
            found[name] = Record(manifest=manifest, run=run, folder=folder)
    return found
