"""The benchmark of trainers: its yardstick computes what our models compute, its clock counts what it says, and a
contestant that cannot run is told."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NAMES = ("gpt2", "bert-128", "t5-small")


@pytest.fixture(autouse=True)
def _peers(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS / "trainer_peers")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The prepared folder of a tiny job of each family."""
    made: dict[str, Path] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS / "trainer_peers")
        import prepare
        from job import TINY, Job

        for name in NAMES:
            folder = tmp_path_factory.mktemp(name)
            settings = {
                "device": "cpu",
                "precision": "32-true",
                "compile": False,
                "warm_up": 2,
                "steps": 4,
                "blocks": 2,
            }
            Job(name=name, folder=folder, rate_warm_up=2, learning_rate=3e-3, **settings, **TINY[name]).write()
            patch.setattr(sys, "argv", ["prepare.py", str(folder)])
            prepare.main()
            made[name] = folder
    return made


@pytest.fixture(params=NAMES)
def job(request, folders):
    from job import Job

    return Job.read(folders[request.param])


def ours(job):
    from safetensors.torch import load_model

    from training.models import build
    from training.spec import ModelSpec

    model = build(ModelSpec(**job.spec))
    load_model(model, job.folder / "start.safetensors")
    return model


def bare(job):
    from bare_models import MODELS, fused
    from safetensors.torch import load_file

    model = MODELS[job.family](job.spec)
    model.load_state_dict(fused(load_file(job.folder / "start.safetensors"), model))
    return model


def test_yardstick_has_our_logits_loss_and_gradients(job):
    from bare_models import fused, prepared
    from watch import batches

    yardstick, model = bare(job), ours(job)
    for batch in batches(job, "train"):
        torch.testing.assert_close(yardstick.logits(batch), model(batch), rtol=1e-4, atol=1e-5)
        loss, (term,) = yardstick(prepared(job, batch)), model.terms(batch).values()
        torch.testing.assert_close(loss, term.nats / term.targets)
    loss.backward()
    (term.nats / term.targets).backward()
    theirs = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    idle = {name: torch.zeros_like(weight) for name, weight in model.named_parameters() if weight.grad is None}
    expected = fused(theirs | idle, yardstick)
    for name, weight in yardstick.named_parameters():
        grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(grad, expected[name], rtol=1e-3, atol=1e-6, msg=name)


def test_yardstick_has_the_loss_of_transformers(job):
    import transformers
    from watch import batches, held_out_nats

    classes = {"gpt2": "GPT2LMHeadModel", "bert": "BertForMaskedLM", "t5": "T5ForConditionalGeneration"}
    theirs = getattr(transformers, classes[job.family]).from_pretrained(job.folder / "hf").eval()
    names = {"inputs": "input_ids", "tokens": "decoder_input_ids"} if job.family == "t5" else {"tokens": "input_ids"}

    def logits(batch):
        return theirs(**{name: batch[ours] for ours, name in names.items()}).logits

    assert len(list(batches(job, "held_out"))) == job.held_out_batches
    assert held_out_nats(job, bare(job).logits) == pytest.approx(held_out_nats(job, logits), rel=1e-5)


def test_examples_are_those_that_our_trainer_reads_step_by_step(job):
    from our_side import config_of, data_of

    data = data_of(job, config_of(job), "tokens")
    arrays = job.examples("train")
    for step in range(job.all_steps):
        for name, rows in data.batch(data.samples(step)).items():
            if name in arrays:
                np.testing.assert_array_equal(arrays[name][step * job.rows : (step + 1) * job.rows], rows.numpy())
    held = {row.tobytes() for row in job.examples("held_out")["tokens"]}
    assert held.isdisjoint(row.tobytes() for row in arrays["tokens"])


def test_targets_without_any_piece_left_over_give_torchs_cross_entropy():
    from bare_loss import PIECE, mean_nats

    torch.manual_seed(0)
    for n in (PIECE - 1, PIECE, 2 * PIECE + 3):
        hidden, weight, bias = torch.randn(n, 8), torch.randn(20, 8), torch.randn(20)
        targets = torch.randint(20, (n,))
        found = []
        for loss in (mean_nats, lambda h, w, t, b: torch.nn.functional.cross_entropy(h @ w.T + b, t)):
            leaves = [tensor.clone().requires_grad_() for tensor in (hidden, weight, bias)]
            value = loss(leaves[0], leaves[1], targets, leaves[2])
            (3 * value).backward()
            found.append([value.detach(), *(leaf.grad for leaf in leaves)])
        torch.testing.assert_close(*found)


def test_made_text_is_the_same_for_a_seed_and_has_habits():
    from made_text import FOLLOWS, documents

    vocabulary = np.arange(5, 500)
    made = documents(60_000, vocabulary, seed=1, part=0)
    again, other = documents(60_000, vocabulary, seed=1, part=0), documents(60_000, vocabulary, seed=1, part=1)
    assert all(np.array_equal(a, b) for a, b in zip(made, again, strict=True))
    assert not np.array_equal(made[0][:50], other[0][:50])
    words = np.concatenate(made)
    assert len(words) >= 60_000
    assert set(words.tolist()) <= set(vocabulary.tolist())
    share = np.sort(np.bincount(words))[::-1] / len(words)
    assert share[0] > 10 * share[100] > 0  # by rank
    pairs = np.bincount(words[:-1] * 500 + words[1:], minlength=250_000).reshape(500, 500)
    likeliest = pairs.max(axis=1).sum() / len(words)  # half of the followers are one successor
    assert likeliest > 0.4 * FOLLOWS


def test_clock_counts_steps_waiting_and_what_it_leaves_out(job, tmp_path, monkeypatch):
    from watch import Watch

    now = 0.0

    def tick(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr("watch.time.monotonic", lambda: now)
    weight = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    watch = Watch(replace(job, evaluate_every=3, target=-1.0))
    model = torch.nn.Linear(1, 1)
    watch.begin(model, lambda batch: tick(100) or torch.zeros(*batch["tokens"].shape, job.spec["vocab"]))

    def rows():
        for _ in range(job.all_steps):
            tick(2)
            yield None

    for _ in watch.each(rows()):
        tick(5)
        weight.grad = torch.ones(3)
        optimizer.step()
    watch.finish(tmp_path / "out.json", "none")
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["block_seconds"] == [14.0, 14.0]  # two steps of 7 each, the scoring left out
    assert record["waited_seconds"] == 8.0
    assert [(step, seconds) for step, seconds, _ in record["curve"]] == [(3, 14.0), (6, 35.0)]
    assert record["before"] == pytest.approx(np.log(job.spec["vocab"]), rel=1e-6)


def test_page_compares_rounds_and_tells_faults(folders):
    from job import Job
    from standings import Standings

    job = replace(Job.read(folders["gpt2"]), device="cuda", steps=10, blocks=2)
    facts = {**job.facts, "device": "NVIDIA H100 80GB HBM3", "flops": 989.4e12 / 2, "tokens": 1000}
    standings = Standings()
    standings.enter(replace(job, facts=facts), ["bare", "bare-ours", "ours", "litgpt"])
    model = standings.models["gpt2"]
    for name, seconds in {"bare": (4, 5), "bare-ours": (5, 10), "ours": (5.1, 10.5)}.items():
        for second in seconds:
            record = {
                "block_seconds": [second, second], "waited_seconds": second / 5, "first_step_seconds": 9.0,
                "peak_bytes": 2**30, "before": 6.0, "after": 5.0, "curve": [], "settings": "so", "versions": {},
            }  # fmt: skip
            model.records[name].append(record)
    standings.fail("gpt2", "litgpt", "No module | named litgpt")
    page = standings.page(None)
    assert "| bare loop | 1,111 | 1,000 - 1,250 | 100% | 55.6% | 10.0% | 1.00 | 9 | 6.000 | 5.000 |" in page
    assert "our model: +3.5% a step (+2.0% to +5.0% in 2 rounds)" in page
    assert "| litgpt | No module / named litgpt |" in page


def test_page_says_who_did_not_reach_the_loss(folders):
    from job import Job
    from standings import Standings

    job = replace(
        Job.read(folders["gpt2"]),
        target=5.0,
        evaluate_every=50,
        facts={"tokens": 10, "parameters": 1, "targets": 1, "device": ""},
    )
    standings = Standings()
    standings.enter(job, ["ours", "hugging-face"])
    for name, nats in {"ours": 4.9, "hugging-face": 5.1}.items():
        record = {"curve": [[50, 20.0, 6.0], [101, 50.0, nats]], "first_step_seconds": 7.0, "after": nats}
        standings.models["gpt2"].records[name].append({**record, "settings": "so", "versions": {}})
    page = standings.page(5.0)
    assert "| millstream | 50.0 | 57.0 | 1,010 | 101 | 20 | 4.900 |" in page
    assert "| Hugging Face Trainer | not in 50.0 | 57.0 |" in page


@pytest.mark.slow
def test_contestants_learn_the_same():
    command = [
        sys.executable,
        BENCHMARKS / "trainers.py",
        "--size",
        "tiny",
        "--device",
        "cpu",
        "--eager",
        "--rounds",
        "1",
    ]
    options = ["--models", "bert-128", "--steps", "4", "--warm-up", "1", "--learning-rate", "3e-3"]
    who = ["--contestants", "bare", "bare-ours", "ours", "litgpt"]
    done = subprocess.run([*command, *options, *who], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = {line.split("|")[1].strip(): line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")}
    after = {name: float(lines[name][10]) for name in ("bare loop", "bare loop around our model", "millstream")}
    before = {lines[name][9] for name in after}
    assert len(before) == 1
    assert max(after.values()) - min(after.values()) <= 0.002
    assert max(after.values()) < float(*before) - 0.05
    assert lines["litgpt"][2].strip() == "has no bert"
    assert "Lightning, callbacks, records and data over the bare loop" in done.stdout
