"""An artifact is name@version in a folder of its own; a step says how one is made from others.

ROOT/corpus/pages/dev/manifest.json     what it is; written last, so a folder without it holds nothing whole
ROOT/corpus/pages/dev/run.json          where, when and how fast it was made; enters nothing
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from corpus.errors import DataError
from corpus.lease import Lease
from corpus.manifest import MANIFEST, Manifest, ShardInfo, Tally
from corpus.plan import Plan
from corpus.storage import Folder
from pipelines.engines.engine import Engine, Progress

DEV = "dev"
"""The version that is rebuilt when its recipe changes; every other is released, and never overwritten."""


RECENT = 2
"""Manifests that are kept parsed, a step's and its input's: parsing one of 100,000 shards takes a second."""


@dataclass(frozen=True)
class Place:
    """Where the artifacts of a run lie, and in which version."""

    root: Folder
    version: str = DEV

    def folder(self, name: str) -> Folder:
        """The folder of an artifact."""
        return self.root / name / self.version

    def manifest(self, name: str) -> Manifest | None:
        """The manifest of an artifact, or None while it is not whole."""
        folder = self.folder(name)
        data = folder.found(MANIFEST)
        return None if data is None else _parsed(data, folder.path(MANIFEST))

    def need(self, name: str) -> Manifest:
        """The manifest of an artifact; DataError saying how to get it when there is none."""
        manifest = self.manifest(name)
        if manifest is None:
            raise DataError(f"{name}@{self.version} is not in {self.root.url}; make it with `millstream run`")
        return manifest


_recent: dict[str, tuple[bytes, Manifest]] = {}


def _parsed(data: bytes, where: str) -> Manifest:
    """The manifest in the data, parsed again only when it is not what was there before."""
    digest = sha256(data).digest()
    before, manifest = _recent.pop(where, (b"", None))
    if manifest is None or before != digest:
        manifest = Manifest.from_json(data, where)
    _recent[where] = digest, manifest
    for oldest in [*_recent][:-RECENT]:
        del _recent[oldest]
    return manifest


def made_from(manifest: Manifest) -> list[tuple[str, str]]:
    """The artifacts that it was made from: name and fingerprint."""
    return [(name.rpartition("@")[0], str(digest)) for name, digest in manifest.inputs.items() if "@" in name]


def changed_inputs(place: Place, manifest: Manifest) -> list[str]:
    """Those of them that are no more, or are others by now."""
    beside = {name: place.manifest(name) for name, _ in made_from(manifest)}
    return [name for name, digest in made_from(manifest) if (m := beside[name]) is None or m.fingerprint != digest]


@dataclass(frozen=True)
class Built:
    """What a step leaves behind: `costs` for run.json, all else for the manifest."""

    tally: tuple[Tally, ...] = ()
    shards: tuple[ShardInfo, ...] = ()
    measures: Mapping[str, Any] = field(default_factory=dict)
    costs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Workshop:
    """What a step builds with: its folder, its right to write, its inputs' manifests, an engine. None of it may show
    in what is built."""

    place: Place
    folder: Folder
    fingerprint: str
    lease: Lease
    inputs: Mapping[str, Manifest]
    engine: Engine
    progress: Progress


class Step(Protocol):
    """How an artifact is made. Everything that decides its content is in `identity` and in the inputs."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the artifacts it reads."""

    def raw_inputs(self) -> Mapping[str, Any]:
        """What it reads from outside, by content."""

    def recipe(self) -> Mapping[str, Any]:
        """The part of the recipe that it follows."""

    def plan(self, inputs: Mapping[str, Manifest]) -> Plan | None:
        """Its plan, when it is a corpus."""

    def build(self, shop: Workshop) -> Built:
        """Makes the files; whole ones that an earlier try has left are used."""
