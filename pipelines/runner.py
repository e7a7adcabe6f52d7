"""Runs the artifact graph of a recipe: what is done stays, what changed is rebuilt with everything after it."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from corpus.canonical import canonical_json, fingerprint
from corpus.errors import ConfigError, DriftError
from corpus.lease import Lease, Policy, held
from corpus.manifest import MANIFEST, Manifest
from corpus.plan import described
from corpus.storage import TEMPORARY, Folder
from pipelines.artifact import DEV, Place, Step, Workshop
from pipelines.engines.engine import Engine, Progress, Usage

State = Literal["done", "would run", "drifted"]


@dataclass(frozen=True)
class Status:
    """Where one artifact of the graph stands, and why."""

    step: Step
    state: State
    why: str


@dataclass(frozen=True)
class Asked:
    """What a step is to make of the inputs that lie there now, and what it has made, where that stands."""

    inputs: Mapping[str, Manifest]
    identity: Mapping[str, Any]
    fingerprint: str
    done: Manifest | None


@dataclass(frozen=True)
class Runner:
    """Builds steps, in order, with one engine. `usage` reads the meter that run.json is written from; `policy` says
    what to do about another run that builds the same."""

    place: Place
    engine: Engine
    engine_name: str
    workers: int
    progress: Progress
    usage: Callable[[], Usage]
    told: Callable[[str], None]
    policy: Policy = field(default_factory=Policy)

    def run(self, steps: Sequence[Step]) -> None:
        """Every step that is not done, inputs first."""
        for step in steps:
            folder, what = self.place.folder(step.name), f"{step.name}@{self.place.version}"
            asked = self._asked(step)
            if asked.done is None or leftovers(folder, asked.done):
                with held(folder / "run", what, self.policy, self.told) as lease:
                    if self.policy.if_building != "take-over":
                        asked = self._asked(step)  # another run may have made this meanwhile, or its inputs anew
                    if asked.done is None:
                        self.told(f"{what}: {summary(self._build(step, asked, lease))}")
                        continue
                    tidy(leftovers(folder, asked.done), lease)
            self.told(f"{what}: done already")

    def _asked(self, step: Step) -> Asked:
        """What is to be made; DriftError where a released version was made otherwise."""
        inputs = {name: self.place.need(name) for name in step.inputs}
        wanted = identity(step, inputs, self.place.version)
        digest, found = fingerprint(wanted), self.place.manifest(step.name)
        stands = found is not None and found.fingerprint == digest
        if found is not None and not stands and self.place.version != DEV:
            raise drift(found, wanted, self.place)
        return Asked(inputs, wanted, digest, found if stands else None)

    def _build(self, step: Step, asked: Asked, lease: Lease) -> Manifest:
        folder, digest = self.place.folder(step.name), asked.fingerprint
        if step.kind != "corpus":  # its files have fixed names: what an older record says of them ends now
            folder.remove(MANIFEST)
            for records in other_records(folder, digest):
                records.discard()
        with self._recorded(folder) as costs:
            shop = Workshop(self.place, folder, digest, lease, asked.inputs, self.engine, self.progress)
            built = dict(vars(step.build(shop)))
            costs.update(built.pop("costs"))
        manifest = Manifest(name=step.name, version=self.place.version, fingerprint=digest, **asked.identity, **built)
        lease.check()
        folder.write(MANIFEST, manifest.to_json())
        tidy(leftovers(folder, manifest), lease)
        return manifest

    @contextmanager
    def _recorded(self, folder: Folder) -> Iterator[dict[str, Any]]:
        """Writes run.json for the work inside, with what the block adds to it."""
        started, clock, before = datetime.now(UTC), time.monotonic(), self.usage()
        more: dict[str, Any] = {}
        yield more
        after = self.usage()
        record = {
            "commit": commit(),
            "engine": self.engine_name,
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
            "workers": self.workers,
            "cpu_seconds": round(after.cpu_seconds - before.cpu_seconds, 3),
            "peak_rss": after.peak_rss,
            **more,
        }
        folder.write("run.json", canonical_json(record))


def identity(step: Step, manifests: Mapping[str, Manifest], version: str) -> dict[str, Any]:
    """All that decides what a step makes; its fingerprint is the artifact's."""
    plan = step.plan(manifests)
    inputs = {f"{name}@{version}": manifest.fingerprint for name, manifest in manifests.items()}
    return {
        "kind": step.kind,
        "recipe": dict(step.recipe()),
        "inputs": inputs | dict(step.raw_inputs()),
        "plan": None if plan is None else described(plan),
    }


def statuses(steps: Sequence[Step], place: Place) -> list[Status]:
    """What is done and what would run, without running anything."""
    result: list[Status] = []
    stale: set[str] = set()
    for step in steps:
        late = [name for name in step.inputs if name in stale]
        found = place.manifest(step.name)
        if late:
            state, why = _status(found, place), f"after {', '.join(late)}"
        else:
            wanted = identity(step, {name: place.need(name) for name in step.inputs}, place.version)
            if found is not None and found.fingerprint == fingerprint(wanted):
                result.append(Status(step, "done", summary(found)))
                continue
            changes = [] if found is None else list(differences(found, wanted))
            state, why = _status(found, place), "; ".join(changes[:3]) or "not made yet"
        stale.add(step.name)
        result.append(Status(step, state, why))
    return result


def _status(found: Manifest | None, place: Place) -> State:
    return "drifted" if found is not None and place.version != DEV else "would run"


def chosen(steps: Sequence[Step], only: str | None) -> list[Step]:
    """The steps up to one artifact: itself and whatever it is made from; all of them without one."""
    if only is None:
        return list(steps)
    named = {step.name: step for step in steps}
    if only not in named:
        raise ConfigError(f"--only {only}: this recipe makes {', '.join(named)}")
    wanted, open_ = {only}, [only]
    while open_:
        new = set(named[open_.pop()].inputs) - wanted
        wanted |= new
        open_ += new
    return [step for step in steps if step.name in wanted]


def drift(found: Manifest, wanted: Mapping[str, Any], place: Place) -> DriftError:
    """The error for a released version that the recipe no longer makes."""
    every = [*differences(found, wanted)]
    changes = "; ".join([said for said in every if not said.startswith("plan.")] or every)  # the plan follows from them
    return DriftError(
        f"{found.name}@{place.version} is released and was made otherwise: {changes}. Take the recipe back to what it "
        f"was, or build under another name with --version"
    )


def differences(found: Manifest, wanted: Mapping[str, Any]) -> Iterator[str]:
    """What differs, field by field: "recipe.language.min_score: 0.65 -> 0.5"."""
    parts = ("recipe", "inputs", "kind", "plan")  # what a person wrote comes first
    old = dict(_leaves({part: getattr(found, part) for part in parts}))
    new = dict(_leaves({part: wanted[part] for part in parts}))
    for path in sorted(old.keys() | new.keys(), key=lambda path: (parts.index(path.partition(".")[0]), path)):
        if old.get(path) != new.get(path):
            yield f"{path}: {old.get(path, 'absent')} -> {new.get(path, 'absent')}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for at, item in enumerate(value):
            yield from _leaves(item, f"{path}.{at}")
    else:
        yield path, value


def other_records(folder: Folder, digest: str) -> list[Folder]:
    """The commit records of builds with other fingerprints than this one."""
    commits = folder / "commits"
    return [commits / name for name in commits.names("directory") if name != digest[:16]]


Leftovers = Sequence[tuple[Folder, Sequence[str]]]
"""Folders with the names in them of what is left over there; without names a folder as a whole."""
AT_ONCE = 1000
"""Files that one request to S3 deletes, and that a newer run can lose to an older one before it is refused."""


def leftovers(folder: Folder, manifest: Manifest) -> Leftovers:
    """What an artifact's folder holds that its manifest does not name, of killed tries and of what was built before:
    commit records first, for a record must not outlive its files."""
    named = {info.file for shard in manifest.shards for info in shard.files.values()}
    places = set(map(folder.path, named))
    whole = [*other_records(folder, manifest.fingerprint)]
    whole += [folder / "run" / name for name in (folder / "run").names("directory")]  # rows between phases
    parts = [folder / part for part in sorted({file.rpartition("/")[0] for file in named} - {""})]
    files = [(part, [n for n in part.names() if part.path(n) not in places]) for part in parts]
    # an object store holds no half-written files, and its listings cost
    staged = (folder, folder / "run", folder / "commits" / manifest.fingerprint[:16]) if folder.local else ()
    files += [(place, [n for n in place.names() if n.startswith(TEMPORARY)]) for place in staged]
    return [*((place, ()) for place in whole), *((place, names) for place, names in files if names)]


def tidy(left: Leftovers, lease: Lease) -> None:
    """Takes the leftovers away; LeaseError when they may be the work of a newer run."""
    for place, names in left:
        for first in range(0, max(len(names), 1), AT_ONCE):
            lease.check()
            if names:
                place.remove(*names[first : first + AT_ONCE])
            else:
                place.discard()


def summary(manifest: Manifest) -> str:
    """One line on what an artifact holds."""
    measures = manifest.measures
    if "says" in measures:
        return str(measures["says"])
    match manifest.kind:
        case "vocabulary":
            return f"{measures['vocab_size']:,} entries"
        case "tokens":
            return f"{measures['n_tokens']:,} tokens, {measures['n_rows']:,} rows of {measures['row_len']:,}"
        case "checkpoint":
            return f"{measures['n_params']:,} parameters, {measures['steps']:,} steps{worth(measures)}"
        case _:
            return f"{manifest.kept:,} of {manifest.read:,} documents kept, {manifest.kept_bytes:,} bytes of text"


def worth(measures: Mapping[str, Any]) -> str:
    """What a model is worth on held-out documents, where it was measured."""
    if held_out := measures.get("held_out"):
        return f", {held_out['bits_per_byte']:.3f} bits per byte on held-out documents"
    if tokens := measures.get("held_out_targets", {}).get("tokens"):
        unigram = tokens["unigram_nats_per_target"]
        return f", {tokens['nats_per_target']:.3f} nats per held-out target (a unigram model: {unigram:.3f})"
    if why := measures.get("held_out_unmeasured"):
        return f", not measured on held-out text: {why}"
    return ""


def commit() -> str | None:
    """The project's commit, where it runs from a checkout with git at hand."""
    try:
        here = Path(__file__).parent
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
