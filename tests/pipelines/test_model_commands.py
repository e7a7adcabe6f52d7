"""Writing, filling masks and exporting, by the command line, on small runs of every kind of model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from small_run import Finished, Said, millstream
from transformers import AutoModelForCausalLM, AutoModelForPreTraining, AutoModelForSeq2SeqLM, AutoTokenizer

SHAPE = "layers: 2, width: 32, heads: 2, ffn: 64"
WAYS = {
    "bert": ("wordpiece", "masked", f"{{family: bert, {SHAPE}}}"),
    "t5": ("unigram", "span_corruption", f"{{family: t5, {SHAPE}}}"),
    "prefix": ("bpe-bytes", "prefix_lm", f"{{family: gpt2, {SHAPE}}}"),
}
GREEDY = ("--temperature", 0, "--max-tokens", 8)


@pytest.fixture(scope="module")
def roots(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs over the corpus of the finished one, by what was trained in them."""
    made = {"causal": finished.root}
    for name, (tokenizer, objective, model) in WAYS.items():
        root = made[name] = tmp_path_factory.mktemp(name) / "root"
        shutil.copytree(finished.root, root)
        sets = [f"tokenizer.model={tokenizer}", f"training.model={model}", f"training.objective={objective}"]
        words = [word for one in sets for word in ("--set", one)]
        done = millstream("run", finished.recipe, "--root", root, "--workers", 2, *words)
        assert done.code == 0, done.err
    return made


@pytest.fixture(scope="module")
def folders(roots: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every run's model, exported."""
    found = {}
    for name, root in roots.items():
        found[name] = tmp_path_factory.mktemp("exported") / name
        said = millstream("export", found[name], "--root", root)
        assert (said.code, said.out) == (0, f"model and vocabulary: {found[name]}\n"), said.err
    return found


def out_of(said: Said) -> str:
    assert (said.code, said.err) == (0, "")
    return said.out


@pytest.mark.parametrize("name", ["causal", "prefix", "t5"])
@pytest.mark.parametrize("how", [GREEDY, ("--seed", 3, "--max-tokens", 8), ("--beams", 3, "--max-tokens", 8)])
def test_an_exported_model_writes_what_the_run_writes(
    roots: dict[str, Path], folders: dict[str, Path], name: str, how: tuple[Any, ...]
) -> None:
    words = ("generate", "The castle and the", *how)
    written = out_of(millstream(*words, "--root", roots[name]))
    assert written == out_of(millstream(*words, "--model", folders[name]))


def test_a_prefix_is_asked_for_by_the_objective(folders: dict[str, Path], tmp_path: Path) -> None:
    """The same weights read the prompt otherwise where the folder says that they learnt otherwise."""
    shutil.copytree(folders["prefix"], tmp_path / "causal")
    config = json.loads((tmp_path / "causal" / "config.json").read_text())
    assert config.pop("millstream_objective") == "prefix_lm"
    (tmp_path / "causal" / "config.json").write_text(json.dumps(config))
    with torch.no_grad():
        model = AutoModelForCausalLM.from_pretrained(tmp_path / "causal")
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "causal")
        prompt = torch.tensor([[model.config.bos_token_id, *tokenizer.encode("The castle and the")]])
        theirs = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=8)
    said = millstream("generate", "The castle and the", *GREEDY, "--model", tmp_path / "causal")
    new = theirs[0, prompt.shape[1] :].tolist()
    new = new[: new.index(model.config.eos_token_id)] if model.config.eos_token_id in new else new
    assert out_of(said) == tokenizer.decode(new) + "\n"


def test_shots(roots: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "shots.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    where = (*GREEDY, "--root", roots["causal"])
    whole = out_of(millstream("generate", "a\nb\n\nc\n", *where))
    answer = out_of(millstream("generate", "c", "--shots", tmp_path / "shots.jsonl", *where))
    assert answer == whole.partition("\n\n")[0].strip() + "\n"


def test_a_prompt_too_long_is_said(roots: dict[str, Path]) -> None:
    said = millstream("generate", "castle " * 200, *GREEDY, "--root", roots["causal"])
    assert said.code == 0
    assert "the model's context is 64; only the prompt's last 32 are read" in said.err
    assert said.err.count("\n") == 1


def test_masks_are_filled(roots: dict[str, Path], folders: dict[str, Path]) -> None:
    words = ("fill", "the [MASK] and the [MASK].", "--top", 3)
    said = out_of(millstream(*words, "--root", roots["bert"]))
    assert said == out_of(millstream(*words, "--model", folders["bert"]))
    first, second = said.splitlines()
    assert (first[:9], second[:9]) == ("mask 1: '", "mask 2: '")
    assert first.count("'") == 6
    wrong = millstream("fill", "the [MASK].", "--root", roots["t5"])
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "is an encoder-decoder; masks are filled by encoders" in wrong.err


@pytest.mark.parametrize("name", ["causal", "prefix", "t5", "bert"])
def test_transformers_opens_the_folder(folders: dict[str, Path], name: str) -> None:
    kind = {"t5": AutoModelForSeq2SeqLM, "bert": AutoModelForPreTraining}.get(name, AutoModelForCausalLM)
    model, tokenizer = kind.from_pretrained(folders[name]), AutoTokenizer.from_pretrained(folders[name])
    assert tokenizer.model_max_length == 64
    assert model.config.vocab_size == len(tokenizer) == 600
    for role in ("pad", "eos", "bos"):
        ours, theirs = (getattr(of, f"{role}_token_id", None) for of in (model.config, tokenizer))
        assert theirs is None or ours == theirs
    enc = tokenizer("The castle and the", return_tensors="pt")
    assert name == "t5" or model(**enc)[0].isfinite().all()
    assert {path.stat().st_mode & 0o777 for path in folders[name].iterdir()} == {0o644}


def test_an_exported_t5_can_be_tuned(folders: dict[str, Path]) -> None:
    """Its config says what the decoder begins with, for labels to be shifted behind."""
    model, tokenizer = (kind.from_pretrained(folders["t5"]) for kind in (AutoModelForSeq2SeqLM, AutoTokenizer))
    enc, labels = (tokenizer(text, return_tensors="pt") for text in ("The castle and", "the printer"))
    loss = model(**enc, labels=labels["input_ids"]).loss
    loss.backward()
    assert loss.isfinite()
    assert model.config.decoder_start_token_id == model.config.pad_token_id == tokenizer.pad_token_id


def test_a_stale_pair_is_refused(roots: dict[str, Path], tmp_path: Path) -> None:
    """A model and a vocabulary of the same size that were made apart."""
    root = tmp_path / "root"
    shutil.copytree(roots["causal"], root)
    shutil.copytree(roots["t5"] / "vocab", root / "vocab", dirs_exist_ok=True)
    for words in (("generate", "a"), ("fill", "a [MASK]"), ("export", tmp_path / "out")):
        said = millstream(*words, "--root", root)
        assert (said.code, said.err.count("\n")) == (3, 1)
        assert "checkpoint/main was trained with the vocabulary" in said.err
        assert "run the recipe again" in said.err
    assert not (tmp_path / "out").exists()


def test_folders_that_are_not_whole(folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(folders["t5"], tmp_path / "t5")
    (tmp_path / "t5" / "tokenizer.json").unlink()
    said = millstream("generate", "a", "--model", tmp_path / "t5")
    assert (said.code, "has no tokenizer.json; export it again" in said.err) == (3, True)
    vocabulary = json.loads((folders["causal"] / "tokenizer.json").read_text())
    last = max(vocabulary["model"]["vocab"], key=vocabulary["model"]["vocab"].__getitem__)
    del vocabulary["model"]["vocab"][last]
    vocabulary["model"]["merges"].pop()
    shutil.copytree(folders["causal"], tmp_path / "causal")
    (tmp_path / "causal" / "tokenizer.json").write_text(json.dumps(vocabulary))
    said = millstream("generate", "a", "--model", tmp_path / "causal")
    assert (said.code, "the vocabulary has 599 entries, the model 600" in said.err) == (3, True)


def test_a_folder_and_a_run_are_two_models(roots: dict[str, Path], folders: dict[str, Path]) -> None:
    for more in (("--root", roots["causal"]), ("--version", "dev")):
        said = millstream("generate", "a", "--model", folders["causal"], *more)
        assert (said.code, "leave out" in said.err) == (2, True)


def test_an_export_replaces_nothing(roots: dict[str, Path], folders: dict[str, Path]) -> None:
    said = millstream("export", folders["t5"], "--root", roots["t5"])
    assert (said.code, "name another folder" in said.err) == (2, True)
