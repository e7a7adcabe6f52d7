"""Evaluation data from a folder, as typed items. The forms of tasks are tables: forms.CHOICES and fine_forms.FINE.

Every reader takes a `limit`: so many items, drawn by a hash of their texts, the same whatever the order of the file,
and those of a smaller limit among those of a larger one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from corpus.errors import ConfigError, DataError
from corpus.text.hashing import share, shares
from training.evaluation.fine_forms import FINE, FineForm
from training.evaluation.forms import CHOICES, numbered
from training.evaluation.items import Choices, Completion, FineTask, Labelled, MinimalPair
from training.evaluation.task_files import Row, data_files, plain, rows, split_files, task_folder
from training.fields import unknown

TRAIN_SHARE = 0.8  # of the one file of a task that has no file for train and dev
LIMIT_SALT = "evaluation limit"
SPLIT_SALT = "evaluation split"


class _Form(Protocol):
    @property
    def names(self) -> tuple[str, ...]: ...


Form = TypeVar("Form", bound=_Form)
Item = TypeVar("Item", MinimalPair, Choices, Completion, Labelled)


def minimal_pairs(folder: Path, limit: int | None = None) -> list[MinimalPair]:
    """BLiMP, from all files of its folder. A limit is spread evenly over the phenomena (linguistics_term)."""
    files = data_files(task_folder(folder, ("blimp",)))
    return chosen([_pair(row) for path in files for row in rows(path)], limit, lambda pair: pair.good, _phenomenon)


def choices(folder: Path, task: str, limit: int | None = None) -> list[Choices]:
    """The questions of a task, of the split that lm-evaluation-harness asks where it is there."""
    name, form = _known(task, CHOICES)
    path = _file(task_folder(folder, (name, *form.names)), form.splits)
    items = [form.put(row) for row in form.recast(rows(path))]
    return chosen(items, limit, lambda item: "\n".join(item.contexts + item.continuations))


def completions(folder: Path, limit: int | None = None) -> list[Completion]:
    """LAMBADA: columns context and continuation, or text, whose last word after a blank is the continuation."""
    path = _file(task_folder(folder, ("lambada", "lambada_openai")), ("test", "dev", "all"))
    return chosen([_completion(row) for row in rows(path)], limit, lambda item: item.context)


def fine_task(folder: Path, task: str, limit: int | None = None) -> FineTask:
    """A task with its train and dev examples, of each as many as the limit.

    Where train or dev is missing, the one file there is becomes both, TRAIN_SHARE of it train, by a hash of the first
    text: no premise is on both sides. Scores on it do not compare with published ones.
    """
    name, form = _known(task, FINE)
    files = split_files(task_folder(folder, (name, *form.names)))
    if "train" in files and "dev" in files:
        train, dev = (_labelled(form, files[split]) for split in ("train", "dev"))
    else:
        path = next((files[split] for split in ("train", "dev", "all") if split in files), None)
        if path is None:
            raise ConfigError(f"{files['test']}: a test set alone has no labels; put train and dev beside it")
        train, dev = _divided(path, _labelled(form, path))
    return FineTask(
        name=name,
        suite=form.suite,
        fields=tuple(names[0] for names in form.texts),
        labels=form.labels,
        metrics=form.metrics,
        train=tuple(chosen(train, limit, _texts)),
        dev=tuple(chosen(dev, limit, _texts)),
    )


def chosen(
    items: Sequence[Item], limit: int | None, text: Callable[[Item], str], group: Callable[[Item], str] = lambda _: ""
) -> list[Item]:
    """At most `limit` of the items, in their order: the lowest hashes of each group in turn, so that groups are even as
    far as they reach."""
    if limit is not None and limit < 1:
        raise ConfigError(f"a limit of {limit} evaluation items; give 1 or more, or none for all")
    if limit is None or len(items) <= limit:
        return list(items)
    lots = shares(map(text, items), LIMIT_SALT)
    before: Counter[str] = Counter()
    ranked: list[tuple[int, float, int]] = []
    for lot, number in sorted(zip(lots.tolist(), range(len(items)), strict=True)):
        name = group(items[number])
        ranked.append((before[name], lot, number))
        before[name] += 1
    return [items[number] for number in sorted(number for _, _, number in sorted(ranked)[:limit])]


def _known(task: str, table: Mapping[str, Form]) -> tuple[str, Form]:
    """Name and form of a task, by any of its names in any spelling."""
    for name, form in table.items():
        if plain(task) in map(plain, (name, *form.names)):
            return name, form
    raise ConfigError(f"evaluation task {task} {unknown(task, table)}")


def _file(folder: Path, splits: Sequence[str]) -> Path:
    files = split_files(folder)
    for split in splits:
        if split in files:
            return files[split]
    there = ", ".join(path.name for path in files.values())
    raise ConfigError(f"{folder} has no file for {' or '.join(splits[:-1])}; files here: {there}")


def _pair(row: Row) -> MinimalPair:
    pair = MinimalPair(row.id, row.text("sentence_good"), row.text("sentence_bad"), row.text("linguistics_term"))
    return _full(row, pair, pair.good, pair.bad, pair.group)


def _phenomenon(pair: MinimalPair) -> str:
    return pair.group


def _completion(row: Row) -> Completion:
    if "text" in row.values:
        context, _, word = row.text("text").rpartition(" ")
    else:
        context, word = row.text("context"), row.text("continuation")
    return _full(row, Completion(row.id, context.rstrip(), " " + word), context, word)


def _full(row: Row, item: Item, *texts: str) -> Item:
    if not all(map(str.strip, texts)):
        raise row.error("a text of it is empty")
    return item


def _labelled(form: FineForm, path: Path) -> list[Labelled]:
    read = form.recast(rows(path, form.head, torn=form.torn))
    return [_example(form, row) for row in read if row.value(*form.label) not in form.left_out]


def _example(form: FineForm, row: Row) -> Labelled:
    first, *others = (row.text(*names) for names in form.texts)
    behind = "".join(f" {name}: {row.text(name)}" for name in form.more if name in row.values)
    second = others[0] + behind if others else None
    if form.labels:
        return Labelled(row.id, first, second, row.index(numbered(form.labels), *form.label))
    return Labelled(row.id, first, second, row.number(*form.score, *form.label))


def _divided(path: Path, items: Iterable[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    train: list[Labelled] = []
    dev: list[Labelled] = []
    for item in items:
        (train if share(item.first, SPLIT_SALT) < TRAIN_SHARE else dev).append(item)
    if not train or not dev:
        raise DataError(f"{path}: too few examples to make train and dev of; put a file for each there")
    return train, dev


def _texts(item: Labelled) -> str:
    return f"{item.first}\n{item.second}"
