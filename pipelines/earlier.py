"""Released corpora that a new one is deduplicated against: where they lie, and what tells them apart."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from corpus.errors import ConfigError
from corpus.flows import stored
from corpus.manifest import Manifest
from corpus.plan import Plan
from corpus.schema import DOCUMENT, MARKS, without
from corpus.storage import Folder
from pipelines.artifact import DEV, Place
from pipelines.names import DEDUPED
from pipelines.sections import Against
from pipelines.wording import listed, nearest

FIELD = "corpus.against.versions"
NEEDED = without(DOCUMENT, set(MARKS.names))
"""Columns of stored documents that keys are made of, and those that every corpus has beside them."""


@dataclass(frozen=True)
class Earlier:
    """A released corpus/deduped: its label is its version, or where two roots have the same, the version and the
    beginning of its fingerprint. Where it lies says nothing of what it is."""

    label: str
    place: Place
    fingerprint: str
    kept: int

    @property
    def name(self) -> str:
        """What a plan reads it by."""
        return f"{DEDUPED}@{self.label}"

    @property
    def documents(self) -> Plan:
        """Its kept documents, of which keys are made."""
        return stored(self.name, DOCUMENT)


def earlier_corpora(against: Against | None, own: Folder) -> tuple[Earlier, ...]:
    """What the recipe names, in the order of the labels, each corpus once; ConfigError for one that is not there."""
    places = [Place(Folder(one.root) if one.root else own, one.version) for one in against.versions] if against else []
    found: dict[tuple[str, str], tuple[Place, int]] = {}
    for place in places:
        manifest = _manifest(place)
        found[place.version, manifest.fingerprint] = place, manifest.kept
    times = Counter(version for version, _ in found)
    labelled = {
        version if times[version] == 1 else f"{version}-{digest[:12]}": (place, digest, kept)
        for (version, digest), (place, kept) in found.items()
    }
    return tuple(Earlier(label, *labelled[label]) for label in sorted(labelled))


def require_other(earlier: Sequence[Earlier], own: Folder, version: str) -> None:
    """ConfigError when one of them is the version that is being built."""
    if any(one.place == Place(own, version) for one in earlier):
        raise ConfigError(f"{FIELD}: {version} is the version that is being built; name earlier ones only")


def _manifest(place: Place) -> Manifest:
    if place.version == DEV:
        raise ConfigError(
            f"{FIELD}: {DEV} is rebuilt when its recipe changes, so nothing can be held against it; build it as a "
            f"release, `millstream run RECIPE --version 2026-41`, and name that"
        )
    manifest = place.manifest(DEDUPED)
    if manifest is None:
        there = sorted(_released(place.root))
        raise ConfigError(
            f"{FIELD}: there is no {DEDUPED}@{place.version} in {place.root.url}{nearest(place.version, there) or ';'} "
            f"released there: {listed(there)}. Build it with `millstream run RECIPE --version {place.version}`, name "
            f"the root where it is ({{root: ..., version: {place.version}}}), or leave it out"
        )
    if lacking := [field.name for field in NEEDED if _columns(manifest).get(field.name) != str(field.type)]:
        raise ConfigError(
            f"{FIELD}: {DEDUPED}@{place.version} in {place.root.url} has no column {', '.join(lacking)} as it is now "
            f"needed; it was made by another version of the project: build it again, or leave it out"
        )
    return manifest


def _released(root: Folder) -> Iterator[str]:
    for version in (root / DEDUPED).names("directory"):
        if version != DEV and Place(root, version).manifest(DEDUPED) is not None:
            yield version


def _columns(manifest: Manifest) -> dict[str, str]:
    """The columns of what the corpus was made from, all of which a deduplicated corpus has too."""
    plan = manifest.plan
    while "source" in plan:
        plan = plan["source"]
    columns: dict[str, str] = plan["columns"]
    return columns
