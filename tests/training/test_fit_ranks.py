"""Several processes that share each step make the losses and weights of one, however the model is spread over them."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from rank_processes import ended, run_ranks, start_ranks
from safetensors.torch import load_file

from corpus.errors import ConfigError
from corpus.storage import Folder
from tokenizer import vocab as vocabularies
from tokenizer.shard import TokenShard, write_shard
from tokenizer.vocab import Vocab
from training.config import TrainingConfig
from training.evaluation.perplexity import HeldOut
from training.fit import fit
from training.record import read_metrics
from training.run_config import RunConfig
from training.spec import ModelSpec

TEXTS = [" ".join(f"{n % 7} and {k} make {n % 7 + k}." for k in range(1 + n % 5)) for n in range(80)]
STEPS = 6
Parts = tuple[TrainingConfig, list[TokenShard], str, Vocab]


def parts_of(folder: Path, family: str, model: str, **asked: Any) -> Parts:
    vocab = Vocab.of(vocabularies.train(model, TEXTS, 300))
    origins = pa.RecordBatch.from_pydict({"id": [str(n) for n in range(len(TEXTS))]})
    batch = vocab.encoded(origins, TEXTS, marks=True)
    write_shard(Folder(str(folder)), 0, [batch], vocab_size=vocab.size, eod_id=vocab.eod_id)
    spec = ModelSpec(family=family, vocab=vocab.size, layers=2, width=32, heads=2, ffn=64, context=32)
    config = TrainingConfig(
        model=spec, optimizer="adamw", learning_rate=1e-3, eps=1e-6, steps=STEPS, seed=3, batch_rows=8,
        precision="32-true", run=RunConfig(threads=1, checkpoint_every=3), **asked,
    )  # fmt: skip
    return config, [TokenShard.open(folder, 0, vocab.size)], "abc", vocab


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return parts_of(tmp_path_factory.mktemp("llama"), "llama", "bpe-bytes")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """Without the question whether a text follows, so that some weights are never read. Targets vary by row."""
    return parts_of(tmp_path_factory.mktemp("bert"), "bert", "wordpiece", objective="masked")


@pytest.fixture(scope="module")
def alone(llama: Parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    fit(*llama, out)
    return out


def with_run(parts: Parts, **run: Any) -> Parts:
    return replace(parts[0], run=replace(parts[0].run, **run)), *parts[1:]


def losses(out: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(out / "metrics.csv")]


def same_weights(one: Path, two: Path) -> None:
    ours, theirs = (load_file(out / "model.safetensors") for out in (one, two))
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(theirs[name], weight, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    "run",
    [
        {"strategy": "ddp", "micro_rows": 1},
        {"strategy": "fsdp", "micro_rows": 2, "activation_checkpointing": True, "evaluate_every": 3},
        {"strategy": "hsdp", "shards": 1, "workers": 1},
    ],
)
def test_two_ranks_are_one(run: dict[str, Any], llama: Parts, alone: Path, tmp_path: Path) -> None:
    held_out = [HeldOut("1 and 2 make 3.", "a"), HeldOut("2 and 2 make 4. 1 and 1 make 2.", "b")] * 9
    run_ranks(2, lambda: fit(*with_run(llama, **run), tmp_path, held_out=held_out))
    assert losses(tmp_path) == pytest.approx(losses(alone), rel=1e-4)
    same_weights(alone, tmp_path)
    if "evaluate_every" in run:
        fit(*with_run(llama, evaluate_every=3), tmp_path / "one", held_out=held_out)
        two, one = (dict(_rows(out / "held_out.csv")) for out in (tmp_path, tmp_path / "one"))
        assert {name[1] for name in one} == {"bits_per_byte", "bits_per_byte/a", "bits_per_byte/b"}
        assert two == pytest.approx(one, rel=1e-4)


def _rows(path: Path) -> list[tuple[tuple[str, str], float]]:
    lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
    return [((step, name), float(value)) for step, name, value in lines]


def test_two_ranks_make_the_weights_of_one_where_some_are_idle(bert: Parts, tmp_path: Path) -> None:
    run_ranks(2, lambda: fit(*bert, tmp_path / "two"))
    fit(*bert, tmp_path / "one")
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    same_weights(tmp_path / "one", tmp_path / "two")


def die(out: Path, rank: str) -> Any:
    def at_step_4(step: int, *_: float) -> None:
        while step == 4 and not (out / "checkpoints" / "step-00000003").exists():
            pass
        if step == 4 and os.environ["RANK"] == rank:
            os.kill(os.getpid(), signal.SIGKILL)

    return at_step_4


@pytest.mark.parametrize(("first", "then"), [(2, 2), (2, 1), (1, 2)])
def test_killed_ranks_go_on_as_the_same_or_other_ranks(
    first: int, then: int, llama: Parts, alone: Path, tmp_path: Path
) -> None:
    """The same rows; on as many ranks the same losses bit for bit."""
    spread = with_run(llama, strategy="fsdp", micro_rows=2)
    children = start_ranks(first, lambda: fit(*spread, tmp_path, on_progress=die(tmp_path, "0")))
    assert ended(children)[0] == -signal.SIGKILL
    before = losses(tmp_path)
    assert len(before) == 4
    run_ranks(then, lambda: fit(*spread, tmp_path))
    assert losses(tmp_path) == pytest.approx(losses(alone), rel=1e-4)
    if first == then:
        run_ranks(then, lambda: fit(*spread, tmp_path / "whole"))
        assert losses(tmp_path) == losses(tmp_path / "whole")
        assert before == losses(tmp_path)[:4]


def test_rows_that_do_not_split_over_ranks_are_refused_before_work(
    llama: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": 0, "WORLD_SIZE": 3, "LOCAL_WORLD_SIZE": 3, "TORCHELASTIC_RUN_ID": "x"}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(ConfigError, match="batch_rows 8 does not split over 3 ranks; take a multiple of 3"):
        fit(*llama, tmp_path)
    assert not list(tmp_path.iterdir())
