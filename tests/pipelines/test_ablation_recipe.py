"""An ablation's recipe: what it may say, what it says wrongly and how to mend it, and those that ship."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_ablation import ARMS, DECODER, MODELS, recipe, written

from corpus.errors import ConfigError
from pipelines.ablation.sections import Ablation
from pipelines.recipe import load_as, shipped
from pipelines.rules import build_rules
from pipelines.training_plan import planned_objective

ROOT = Path(__file__).parents[2]


def error_of(folder: Path, **changes: Any) -> str:
    """The one line that the recipe comes to, at the latest where its arms are looked at; less the file's name."""
    path = written(folder, recipe(folder, **changes))
    with pytest.raises(ConfigError) as caught:
        assert load_as(Ablation, str(path)).built
    said = str(caught.value)
    assert "\n" not in said
    return said.removeprefix(f"{path}:1: ")


def arms(**changes: Any) -> dict[str, Any]:
    return {"arms": ARMS | changes}


BACK = {"among": "unfiltered", "share": 0.1}
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a baseline that is no arm": (
        {"baseline": "claen"}, "baseline: unknown arm; did you mean clean? Arms here: clean, unfiltered, rejects_50",
    ),
    "another side that is no arm": ({"unfiltered": "raw"}, 'unfiltered: unknown arm; Arms here: clean'),
    "a vocabulary of no arm": ({"vocabulary": ["clean", "raw"]}, "vocabulary.1: unknown arm; Arms here: clean"),
    "held-out pages of no arm": (
        {"evaluation": {"held_out": {"raw": "noisy"}}}, "evaluation.held_out.raw: unknown arm; Arms here: clean",
    ),
    "put back from no arm": (
        arms(more={"like": "clean", "put_back": {"among": "raw", "share": 0.1}}),
        "arms.more.put_back.among: unknown arm; Arms here: clean",
    ),
    "like no arm": (arms(more={"like": "klean", "put_back": BACK}), "arms.more.like: unknown arm; did you mean clean?"),
    "fine-tuned on no arm": (
        {"finetuning": {"tasks": ["rte"], "arms": ["dirty"]}}, "finetuning.arms.0: unknown arm; Arms here: clean",
    ),
    "a model that is not there": (
        {"finetuning": {"tasks": ["rte"], "models": ["encoder"]}}, "finetuning.models.0: unknown model; did you mean",
    ),
    "put back into nothing": (arms(more={"put_back": BACK}), "arms.more: puts documents back into an arm: give both"),
    "like, and no more": (arms(more={"like": "clean"}), "arms.more: puts documents back into an arm: give both"),
    "a corpus of its own and another's": (
        arms(more={"like": "clean", "put_back": BACK, "set": {"rules": []}}),
        "arms.more: has a corpus of its own, with `set`, or that of another arm, with `like`; leave one out",
    ),
    "like an arm without a corpus": (
        arms(more={"like": "rejects_50", "put_back": BACK}),
        "arms.more.like: is rejects_50, which has no corpus of its own; name an arm that has one",
    ),
    "an arm twice": (
        arms(more={"like": "clean", "put_back": BACK}, again={"like": "clean", "put_back": BACK}),
        "arms.more: is the same as another arm; leave one out",
    ),
    "two sets of one name": (
        {"evaluation": {"held_out": {"raw": "unfiltered"}, "neutral": {"raw": ["/a.txt"]}}},
        "evaluation.neutral: raw is also a set of evaluation.held_out; call one otherwise",
    ),
    "fine-tuned without the baseline": (
        {"finetuning": {"tasks": ["rte"], "arms": ["unfiltered"]}}, "finetuning.arms: lacks the baseline, clean",
    ),
    "a rate of no model": (
        {"finetuning": {"tasks": ["rte"], "learning_rate": {"bert": 1.0}}}, "finetuning.learning_rate.bert: unknown",
    ),
    "no vocabulary": ({"vocabulary": []}, "vocabulary: is empty; name the arms that it is trained on, or write each"),
    "one arm": (
        {"arms": {"clean": {}}, "unfiltered": None, "vocabulary": ["clean"]},
        "arms: has fewer than two arms: there is nothing to compare",
    ),
    "no model": ({"models": {}}, "models: is empty; name at least one model"),
    "a vocabulary each, and no bits per byte": (
        {"vocabulary": "each", "models": {name: MODELS[name] for name in ("decoder", "encoder")}},
        "vocabulary: is each, and figures per token of different vocabularies do not compare; take one for all, or "
        "leave out models.encoder",
    ),
    "nothing held out": (
        {"corpus": {"rules": []}},
        "corpus: must hold pages out for evaluation.held_out; write holdout: {share: 0.05}",
    ),
    "other pages held out": (
        arms(more={"set": {"holdout.share": 0.5}}),
        "arms.more.set.holdout.share: what is held out must be the same pages in all arms",
    ),
    "a value that does not fit": (
        arms(more={"set": {"extract.tier": "pdf"}}), "arms.more.set (corpus.extract.tier of arm more): corpus.extract",
    ),
    "a field that is not there": (
        arms(more={"set": {"langage": None}}), "arms.more.set (corpus.langage of arm more): corpus.langage: unknown",
    ),
    "a place that is not there": (
        arms(more={"set": {"rules.3.without": []}}),
        "arms.more.set.rules.3.without: rules is a list; places in it: 0 to 0",
    ),
    "a value with nothing inside": (
        arms(more={"set": {"extract.tier.name": 1}}),
        'arms.more.set.extract.tier.name: extract.tier is "text"; it has nothing inside to set',
    ),
    "a rule that is not there": (
        arms(more={"set": {"rules.0.rule": "c5"}}),
        'arms.more.set (corpus.rules.0.rule of arm more): corpus.rules.0.rule: is "c5"; rules here: badwords, c4',
    ),
    "a rule's field that does not fit": (
        arms(more={"set": {"rules.0.min_words": -1}}),
        "arms.more.set (corpus.rules.0.min_words of arm more): corpus.rules.0: C4.min_words: -1 is negative",
    ),
    "a share above one": (
        arms(more={"like": "clean", "put_back": BACK | {"share": 1.5}}), "arms.more.put_back.share: is 1.5, but should",
    ),
    "an ending task that is not there": ({"evaluation": {"completions": ["lambda"]}}, "evaluation.completions.0: is"),
    "a misspelt field": ({"evaluation": {"heldout": {}}}, "evaluation.heldout: unknown field; did you mean held_out?"),
    "no seed": ({"seeds": 0}, "seeds: is 0, but should be greater than or equal to 1"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_place_and_its_cure(mistake: str, tmp_path: Path) -> None:
    changes, said = MISTAKES[mistake]
    assert error_of(tmp_path, **changes).startswith(said)


def test_each_decoder_over_bytes_may_have_its_own_vocabulary(tmp_path: Path) -> None:
    path = written(tmp_path, recipe(tmp_path, vocabulary="each", models={"one": DECODER, "two": DECODER}))
    assert load_as(Ablation, str(path)).vocabulary == "each"


def test_an_arm_is_the_corpus_with_its_values_set_over_it(tmp_path: Path) -> None:
    some = {
        "set": {"extract.tier": "resiliparse", "rules.0.without": ["bad_word"], "rules.0.badwords": [], "dedup": []}
    }
    built = load_as(Ablation, str(written(tmp_path, recipe(tmp_path, **arms(other=some))))).built
    assert list(built) == ["clean", "unfiltered", "other"], "rejects_50 has no corpus of its own"
    clean, other = built["clean"], built["other"]
    assert (other.corpus.extract.tier, other.corpus.dedup) == ("resiliparse", ())
    assert other.corpus.rules[0].fields == {**clean.corpus.rules[0].fields, "without": ["bad_word"], "badwords": []}
    assert (other.seed, other.sources, other.corpus.holdout) == (clean.seed, clean.sources, clean.corpus.holdout)


def test_shipped_ablations_load_and_want_their_inputs() -> None:
    assert shipped("ablations") == ["c4_vs_unfiltered", "c4_vs_unfiltered_small", "monthly_gate"]
    for name in shipped("ablations"):
        ablation = load_as(Ablation, name)
        assert ablation.name == name
        with pytest.raises(ConfigError, match=r"sources.web.paths is empty: .*--set"):
            ablation.require_inputs()
        load_as(Ablation, name, ["sources.web.paths=[/data/x.warc.gz]"]).require_inputs()


def test_the_shipped_comparison_is_what_its_comments_say() -> None:
    ablation = load_as(Ablation, "c4_vs_unfiltered")
    assert (len(ablation.arms), len(ablation.models), ablation.seeds) == (20, 3, 5)
    objectives = [planned_objective(ablation.trains(model, ablation.seed)) for model in ablation.models]
    assert [task.kind for task in objectives] == ["decoder", "encoder", "encoder-decoder"]
    trainings = [asked.training for asked in ablation.models.values()]
    assert {(asked.steps, asked.batch_rows, asked.context) for asked in trainings} == {(12_500, 256, 512)}
    (whole,) = build_rules(ablation.built["clean"].corpus.rules)
    for arm, built in ablation.built.items():
        (rule,) = build_rules(built.corpus.rules)
        if arm.startswith("no_") and arm != "no_dedup":
            assert rule != whole
            assert arm.removeprefix("no_") in rule.without
            assert len(rule.without) == 1


@pytest.mark.parametrize("name", ["c4_vs_unfiltered", "c4_vs_unfiltered_small"])
def test_shipped_unfiltered_text_is_c4_s_noclean(name: str) -> None:
    """Every reason but the length of the page is left out, and rejects come back in growing shares."""
    from corpus.text.verdict import Drop, Keep

    ablation = load_as(Ablation, name)
    (rule,) = build_rules(ablation.built["unfiltered"].corpus.rules)
    junk = "menu\n{ javascript lorem ipsum }\nterms of use ... sex"
    assert rule(junk) == Keep(junk)
    assert rule("x" * 190_001) == Drop("too_long")
    back = {arm: said.put_back for arm, said in ablation.arms.items() if said.put_back is not None}
    assert {arm: (said.among, said.share) for arm, said in back.items()} == {
        f"rejects_{percent}": ("unfiltered", percent / 100) for percent in (10, 25, 50)
    }


def test_reading_them_imports_nothing_heavy() -> None:
    code = (
        "import json, sys; from pipelines.ablation.sections import Ablation; from pipelines.recipe import *;"
        "print(json.dumps([load_as(Ablation, name).identity() for name in shipped('ablations')], sort_keys=True));"
        "print([m for m in ('torch', 'lightning', 'pyspark', 'datatrove', 'pyarrow') if m in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1"}
    said = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    here = json.dumps([load_as(Ablation, name).identity() for name in shipped("ablations")], sort_keys=True)
    assert said == f"{here}\n[]\n"
