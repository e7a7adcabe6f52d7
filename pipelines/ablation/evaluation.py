"""The step that puts together what models are asked, less what stands in the training text of some arm.

    held-out pages of some arms, neutral texts      bits per byte, or nats per target
    pairs, choices, completions                     from the folder that the recipe points at
    tasks to learn                                  their dev items

An item of which too many words stand in n-grams of the training text is left out, for all arms alike; what was left out
is counted in the manifest, by set. A set that loses too much of itself has leaked, and the run stops.
"""

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from corpus.errors import ConfigError
from corpus.manifest import FileInfo, Manifest, ShardInfo
from corpus.stages.keys import utf8
from corpus.storage import sha256_of
from corpus.text.hashing import share
from corpus.text.overlap import Grams
from pipelines.ablation import neutral
from pipelines.ablation.corpora import held_out, manifests, parts
from pipelines.ablation.sections import Ablation
from pipelines.ablation.tokens import documents_identity
from pipelines.artifact import Built, Place, Workshop
from pipelines.tokens_step import local_folder
from training.evaluation import tasks
from training.evaluation.battery import HELD_OUT, Battery, Document
from training.evaluation.items import Choices, Completion, FineTask, Labelled, MinimalPair

NAME = "evaluation/main"
BATTERY = "battery.jsonl"


@dataclass(frozen=True)
class EvaluationStep:
    """The items of every set, checked against the training documents of every arm."""

    ablation: Ablation
    place: Place
    name: ClassVar[str] = NAME
    kind: ClassVar[str] = "evaluation"
    inputs: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    def raw_inputs(self) -> Mapping[str, Any]:
        """The arms' corpora, and the sets from outside by content."""
        corpora = {f"corpora/{arm}": self._corpus(arm) for arm in self.ablation.built}
        battery, fine = self.outside
        return corpora | {"sets": _digest(chain(battery.lines(), *(_lines(task) for task in fine)))}

    def _corpus(self, arm: str) -> str:
        return next(iter(manifests(self.ablation, self.place, arm).values())).fingerprint

    @cached_property
    def outside(self) -> tuple[Battery, list[FineTask]]:
        """What the user's files hold; ConfigError or DataError for what cannot be read."""
        asked, tuning = self.ablation.evaluation, self.ablation.finetuning
        found: dict[str, Mapping[str, Sequence[Any]]] = {}
        found[HELD_OUT] = {
            name: self._some(neutral.documents(list(map(Path, paths)), asked.document_chars))
            for name, paths in asked.neutral.items()
        }
        if asked.data is None:
            if asked.choices or asked.completions or tuning:
                raise ConfigError(
                    "evaluation.data is empty: give it with --set evaluation.data=/folder/of/sets, or ask for no sets "
                    "from it: --set 'evaluation.choices=[]' --set 'evaluation.completions=[]' --set finetuning=null"
                )
            return Battery(found), []
        data = Path(asked.data)
        if asked.minimal_pairs != 0:
            found["pairs"] = {"blimp": tasks.minimal_pairs(data, asked.minimal_pairs)}
        found["choices"] = {name: tasks.choices(data, name, asked.items) for name in asked.choices}
        found["completions"] = {name: tasks.completions(data, asked.items) for name in asked.completions}
        fine = {name: tasks.fine_task(data, name) for name in (tuning.tasks if tuning else ())}
        for name, task in fine.items():
            if name != task.name:
                raise ConfigError(f"finetuning.tasks: {name} is called {task.name} here; write that")
        return Battery(found), [*fine.values()]

    def recipe(self) -> Mapping[str, Any]:
        """Which sets, how many items, and what is left out."""
        said = self.ablation.evaluation.model_dump(mode="json", exclude={"data", "neutral", "points"})
        return {"evaluation": said, "documents": documents_identity(self.ablation), "step_version": self.version}

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Gathers, compares, leaves out, writes."""
        (battery, fine), asked = self.outside, self.ablation.evaluation
        own = {name: self._some(held_out(self.place, arm)) for name, arm in asked.held_out.items()}
        battery = battery.joined(HELD_OUT, own)
        texts = [*_texts(battery), *_task_texts(fine)]
        left, counts = self._judged(texts, self._covered(shop, [text for _, _, text in texts]))
        shop.lease.check()
        battery = battery.without(left)
        infos = [_written(shop, BATTERY, battery.lines())]
        infos += [
            _written(shop, _file(task.name), _lines(task, left.get(f"finetune/{task.name}", ()))) for task in fine
        ]
        only_texts = Battery({HELD_OUT: battery.of(HELD_OUT)})
        digests = {info.file: info.sha256 for info in infos} | {HELD_OUT: _digest(only_texts.lines())}
        items, out = (sum(count[part] for count in counts.values()) for part in ("items", "left_out"))
        says = f"{items:,} items in {len(counts)} sets, {out:,} left out: they stand in training text"
        files = {info.file.partition(".")[0]: info for info in infos}
        return Built(shards=(ShardInfo(0, files),), measures={"sets": counts, "digests": digests, "says": says})

    def _some(self, texts: Iterable[tuple[str, str]]) -> list[Document]:
        """`set_bytes` of documents, by a hash of their ids, of each the beginning; no more than twice that is held."""
        asked = self.ablation.evaluation
        found: list[tuple[float, Document]] = []
        size = 0
        for id_, text in texts:
            document = Document(id_, text[: asked.document_chars])
            found.append((share(id_, f"evaluation {self.ablation.seed}"), document))
            size += len(document.text.encode())
            if size > 2 * asked.set_bytes:
                found, size = _first(found, asked.set_bytes)
        return [document for _, document in _first(found, asked.set_bytes)[0]]

    def _covered(self, shop: Workshop, texts: Sequence[str]) -> list[float]:
        """The share of each text that stands in the training text of some arm."""
        grams = Grams.of(texts)
        found = np.zeros(len(grams.hashes_H), np.bool_)
        for arm in self.ablation.built:
            rows = parts(self.ablation, self.place, arm)
            for number, batches in enumerate(rows):
                shop.progress(f"compared with {arm}", number, len(rows), 0)
                for batch in batches():
                    found |= grams.found_in(*utf8(batch["text"]))
        shares: list[float] = grams.covered(found).tolist()
        return shares

    def _judged(
        self, items: Sequence[tuple[str, str, str]], shares: Sequence[float]
    ) -> tuple[dict[str, set[str]], dict[str, dict[str, int]]]:
        """The ids to leave out, and the counts, by set; ConfigError for a set that has leaked."""
        asked = self.ablation.evaluation
        left: dict[str, set[str]] = {}
        counts: dict[str, dict[str, int]] = {}
        for (name, id_, _), covered in zip(items, shares, strict=True):
            count = counts.setdefault(name, {"items": 0, "left_out": 0, "cannot_tell": 0})
            count["items"] += 1
            count["cannot_tell"] += math.isnan(covered)
            if covered >= asked.max_overlap:
                count["left_out"] += 1
                left.setdefault(name, set()).add(id_)
        for name in {**asked.held_out, **asked.neutral}:
            if name not in counts:
                raise ConfigError(f"evaluation set {name} has no documents; hold more pages out, or leave the set away")
        for name, count in counts.items():
            if count["left_out"] == count["items"] or count["left_out"] > asked.max_left_out * count["items"]:
                raise ConfigError(
                    f"evaluation set {name} has leaked into training: of {count['items']:,} items "
                    f"{count['left_out']:,} share {asked.max_overlap:.0%} of their words or more with the training "
                    f"text; take another set, deduplicate the corpora, or raise evaluation.max_left_out, which is "
                    f"{asked.max_left_out:g}"
                )
        return left, counts


def _first(found: Iterable[tuple[float, Document]], n_bytes: int) -> tuple[list[tuple[float, Document]], int]:
    """Those of the lowest hashes that fill so many bytes, and how many they fill."""
    chosen: list[tuple[float, Document]] = []
    size = 0
    for one in sorted(found):
        if size < n_bytes:
            chosen.append(one)
            size += len(one[1].text.encode())
    return chosen, size


def _texts(battery: Battery) -> Iterator[tuple[str, str, str]]:
    """(set, id, what a model would have to have read to know the answer)."""
    told: Mapping[type, Callable[[Any], str]] = {
        Document: lambda item: item.text,
        MinimalPair: lambda item: item.good,
        Choices: lambda item: item.contexts[item.gold] + item.continuations[item.gold],
        Completion: lambda item: f"{item.context} {item.continuation}",
    }
    for sets in battery.items.values():
        for name, items in sets.items():
            for item in items:
                yield name, item.id, told[type(item)](item)


def _task_texts(fine: Sequence[FineTask]) -> Iterator[tuple[str, str, str]]:
    for task in fine:
        for item in task.dev:
            yield f"finetune/{task.name}", item.id, f"{item.first} {item.second or ''}"


def _lines(task: FineTask, left: Collection[str] = ()) -> Iterator[str]:
    yield json.dumps({key: value for key, value in vars(task).items() if key not in ("train", "dev")})
    for part, items in (("train", task.train), ("dev", task.dev)):
        for item in items:
            if part == "train" or item.id not in left:
                yield json.dumps({"part": part, **item._asdict()}, ensure_ascii=False)


def fine_task(place: Place, name: str) -> FineTask:
    """A task as the step has written it."""
    with (local_folder(place.folder(NAME)) / _file(name)).open(encoding="utf-8") as file:
        head: dict[str, Any] = json.loads(next(file))
        plain: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in head.items()}
        items: dict[str, list[Labelled]] = {"train": [], "dev": []}
        for line in file:
            said = json.loads(line)
            items[said.pop("part")].append(Labelled(**said))
    return FineTask(**plain, train=tuple(items["train"]), dev=tuple(items["dev"]))


def _file(task: str) -> str:
    return f"task-{task}.jsonl"


def digest(place: Place, part: str) -> str:
    """sha256 of a part of what is asked: "held_out", the battery, or a task's file."""
    return str(place.need(NAME).measures["digests"][part])


def task_digest(place: Place, task: str) -> str:
    """sha256 of a task."""
    return digest(place, _file(task))


def _digest(lines: Iterable[str]) -> str:
    found = sha256()
    for line in lines:
        found.update(f"{line}\n".encode())
    return found.hexdigest()


def battery(place: Place) -> Battery:
    """What the step has written."""
    return Battery.read(local_folder(place.folder(NAME)) / BATTERY)


def _written(shop: Workshop, name: str, lines: Iterable[str]) -> FileInfo:
    shop.folder.write(name, "".join(f"{line}\n" for line in lines).encode())
    path = local_folder(shop.folder) / name
    return FileInfo(name, path.stat().st_size, sha256_of(path))
