"""What models are asked: nothing that stands in the training text of an arm, the same for all, and files that are read
before any work is done."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from small_ablation import (
    N_BAD,
    Small,
    bad,
    good,
    recipe,
    sentence,
    write_neutral,
    write_pairs,
    write_rows,
    write_world,
    written,
)

from corpus.errors import ConfigError
from pipelines.ablation import corpora, evaluation
from pipelines.ablation.graph import Graph
from pipelines.session import working


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A world to change."""
    return write_world(tmp_path / "own")


def trained_on(small: Small, arm: str) -> list[int]:
    """The numbers of the rejected pages that an arm is trained on."""
    parts = corpora.parts(small.ablation(), small.place, arm)
    texts = {text for part in parts for batch in part() for text in batch["text"].to_pylist()}
    return [n for n in range(N_BAD) if bad(n) in texts]


def asked(ablated: Small, folder: Path, world: Path, finetuning: Any = None, **changes: Any) -> Small:
    """The finished corpora with the step built again that puts together what is asked, of this world."""
    data = recipe(world, finetuning=finetuning)
    small = ablated.copied(folder, data | {"evaluation": data["evaluation"] | changes})
    with working(small.place, "local", 1, [], Console(file=io.StringIO())) as runner:
        runner.run([Graph(small.ablation(), small.place).evaluation])
    return small


def counts(small: Small) -> Any:
    return small.manifest(evaluation.NAME)["measures"]["sets"]


def test_what_is_new_is_asked(ablated: Small) -> None:
    found = counts(ablated)
    assert set(found) == {"clean", "raw", "neutral", "blimp", "piqa", "lambada", "finetune/rte"}
    assert {said["left_out"] for said in found.values()} == {0}
    assert {name: found[name]["items"] for name in ("neutral", "blimp", "piqa", "lambada", "finetune/rte")} == {
        "neutral": 4, "blimp": 6, "piqa": 4, "lambada": 4, "finetune/rte": 4,
    }  # fmt: skip


def test_planted_training_text_is_left_out_of_every_kind_of_set(ablated: Small, own: Path, tmp_path: Path) -> None:
    """The page is one that the unfiltered arm alone is trained on, which is left out for all arms alike."""
    (number, *_) = trained_on(ablated, "unfiltered")
    assert number not in trained_on(ablated, "clean")
    planted = bad(number).splitlines()
    write_neutral(own / "neutral.jsonl", [sentence(3, 0), " ".join(planted[4:]), sentence(3, 1)])
    write_pairs(own, [planted[0], sentence(4, 1), planted[1], sentence(4, 3), sentence(4, 4)])
    goals = [{"goal": sentence(5, 0), "sol1": "no", "sol2": planted[2], "label": 1}]
    goals += [{"goal": sentence(5, n), "sol1": sentence(6, n), "sol2": planted[2], "label": 0} for n in (1, 2)]
    write_rows(own / "sets/piqa/dev.jsonl", goals)
    write_rows(own / "sets/lambada/test.jsonl", [{"text": planted[3]}, {"text": sentence(8, 1)}])
    small = asked(ablated, tmp_path / "copy", own)
    found = counts(small)
    left = {name: (said["items"], said["left_out"]) for name, said in found.items() if name not in ("clean", "raw")}
    assert left == {"neutral": (3, 1), "blimp": (5, 2), "piqa": (3, 1), "lambada": (2, 1)}
    battery = evaluation.battery(small.place)
    assert [pair.good for pair in battery.of("pairs")["blimp"]] == [sentence(4, n) for n in (1, 3, 4)]
    assert {text.text for text in battery.of("held_out")["neutral"]} == {sentence(3, 0), sentence(3, 1)}
    assert len(battery.of("choices")["piqa"]) == 2, "a wrong answer that was read tells nothing of the right one"


def test_dev_items_are_left_out_and_training_examples_stay(ablated: Small, own: Path, tmp_path: Path) -> None:
    (number, *_) = trained_on(ablated, "rejects_50")
    planted = bad(number).splitlines()
    for split in ("train", "dev"):
        rows = [
            {"premise": planted[n] if n < 2 else sentence(9, n), "hypothesis": "So.", "label": n % 2} for n in range(5)
        ]
        write_rows(own / "sets/rte" / f"{split}.jsonl", rows)
    small = asked(ablated, tmp_path / "copy", own, {"tasks": ["rte"]})
    assert counts(small)["finetune/rte"] == {"items": 5, "left_out": 2, "cannot_tell": 0}
    task = evaluation.fine_task(small.place, "rte")
    assert (len(task.train), [item.first for item in task.dev]) == (5, [sentence(9, n) for n in (2, 3, 4)])


def test_a_set_that_has_leaked_is_an_error_of_one_line(ablated: Small, own: Path, tmp_path: Path) -> None:
    (number, *_) = trained_on(ablated, "unfiltered")
    planted = bad(number).splitlines()
    write_pairs(own, [*planted[:3], sentence(4, 1), sentence(4, 2)])
    with pytest.raises(ConfigError, match=r"evaluation set blimp has leaked .* of 5 items 3 share 20% of their words"):
        asked(ablated, tmp_path / "copy", own)
    assert counts(asked(ablated, tmp_path / "more", own, max_left_out=0.6))["blimp"]["left_out"] == 3


def test_half_an_item_is_judged_by_the_bound(ablated: Small, own: Path, tmp_path: Path) -> None:
    """Thirteen words of a training page, and twenty others: 39 % of the words."""
    (number, *_) = trained_on(ablated, "unfiltered")
    words = " ".join(bad(number).splitlines()[:2]).split()[:13]
    others = f"{sentence(4, 8)} {sentence(4, 9)}".split()[:20]
    write_pairs(own, [" ".join([*words, *others]), sentence(4, 1)])
    assert counts(asked(ablated, tmp_path / "low", own))["blimp"]["left_out"] == 1
    assert counts(asked(ablated, tmp_path / "high", own, max_overlap=0.4))["blimp"]["left_out"] == 0


def test_short_items_are_asked_and_counted(ablated: Small, own: Path, tmp_path: Path) -> None:
    """Seven words tell nothing: they stay, and the count says how many."""
    (number, *_) = trained_on(ablated, "unfiltered")
    words = bad(number).split()
    write_pairs(own, [" ".join(words[:7]), " ".join(words[:8]), sentence(4, 1)])
    assert counts(asked(ablated, tmp_path / "copy", own))["blimp"] == {"items": 3, "left_out": 1, "cannot_tell": 1}


def test_held_out_pages_are_those_of_their_arm(ablated: Small) -> None:
    texts = {
        name: {text.text for text in found} for name, found in evaluation.battery(ablated.place).of("held_out").items()
    }
    assert all(any(text == good(n)[:500] for n in range(40)) for text in texts["clean"])
    assert any(any(text == bad(n)[:500] for n in range(24)) for text in texts["raw"])


def spoil(own: Path, what: str) -> None:
    match what:
        case "no folder":
            (own / "sets").rename(own / "elsewhere")
        case "no set":
            (own / "sets/piqa/dev.jsonl").unlink()
            (own / "sets/piqa").rmdir()
        case "other columns":
            write_rows(own / "sets/piqa/dev.jsonl", [{"question": "Who?", "answer": "I."}])
        case "no neutral text":
            (own / "neutral.jsonl").unlink()
        case "no lines of JSON":
            (own / "neutral.jsonl").write_text("It was a dark night.\n")


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("no folder", 2, ("sets: no such folder",)),
        ("no set", 2, ("has no folder piqa", "folders here: blimp, lambada, rte")),
        ("other columns", 3, ("dev.jsonl:1: no column", "columns here: question, answer")),
        ("no neutral text", 2, ("evaluation.neutral", "neutral.jsonl")),
        ("no lines of JSON", 2, ('neutral.jsonl:1 is no line of JSON with a "text"',)),
    ],
)
def test_files_are_read_before_any_work(what: str, code: int, said: tuple[str, ...], own: Path, tmp_path: Path) -> None:
    spoil(own, what)
    small = Small(written(tmp_path, recipe(own)), tmp_path / "root")
    told = small.ran()
    assert (told.code, told.err.count("\n")) == (code, 1), told.err
    assert [word for word in said if word not in told.err] == [], told.err
    assert not small.root.exists()


@pytest.mark.parametrize(
    ("asking", "said"),
    [
        ("evaluation.choices=[pica]", "evaluation task pica is unknown; did you mean piqa?"),
        ("finetuning={tasks: [rte, sts]}", "finetuning.tasks: sts is called stsb here; write that"),
        ("finetuning={tasks: [rta]}", "evaluation task rta is unknown; did you mean rte?"),
        ("evaluation.data=null", "evaluation.data is empty: give it with --set evaluation.data=/folder/of/sets"),
    ],
)
def test_sets_that_there_are_not_are_told_before_any_work(asking: str, said: str, own: Path, tmp_path: Path) -> None:
    write_rows(own / "sets/STS-B/all.jsonl", [{"s1": sentence(1, n), "s2": "So.", "score": 1} for n in range(20)])
    small = Small(written(tmp_path, recipe(own)), tmp_path / "root")
    told = small.ran("--set", asking)
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert told.err.startswith(f"millstream: {said}"), told.err
    assert not small.root.exists()
