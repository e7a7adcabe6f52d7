"""What is done to a model before it trains changes how it is computed, and neither names nor what comes out."""

from functools import partial

import pytest
import torch
import torch.distributed as dist
from rank_processes import run_ranks
from safetensors.torch import load_file
from small_fits import losses, varied
from torch.distributed.tensor import DTensor

from training import models
from training.evaluation.perplexity import HeldOut
from training.fit import fit
from training.parallel import beside_training, blocks, compiled, mesh_of, recompute, spread
from training.run_config import RunConfig
from training.spec import ModelSpec

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated", "ignore:The .grad attribute")
SHAPE = {"layers": 2, "width": 32, "heads": 2, "ffn": 48, "vocab": 60, "context": 16}


def built(family: str = "llama") -> models.Model:
    torch.manual_seed(0)
    return models.build(ModelSpec(family=family, **SHAPE))


def batch_of() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    tokens = torch.randint(60, (3, 17))
    return {"tokens": tokens[:, :-1], "targets": tokens[:, 1:]}


def gradients(model: models.Model) -> dict[str, torch.Tensor]:
    model.terms(batch_of())["tokens"].nats.backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


@pytest.mark.parametrize(("family", "n"), [("llama", 2), ("bert", 2), ("t5", 4), ("bart", 4)])
def test_the_layers_of_all_stacks_are_blocks(family, n):
    assert len(list(blocks(built(family)))) == n


def test_recomputing_gives_the_same_gradients_and_computes_twice():
    calls = []
    plain, again = built(), built()
    recompute(again)
    for model in (plain, again):
        for block in blocks(model):
            block.attention.register_forward_pre_hook(lambda *_: calls.append(0))
    ours = gradients(plain)
    assert len(calls) == 2
    theirs = gradients(again)
    assert len(calls) == 2 + 4
    assert ours.keys() == theirs.keys() == dict(built().named_parameters()).keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_names_stay_and_weights_are_spread():
    """After a pass beside the training too, which compiles nothing."""
    names = [name for name, _ in built().named_parameters()]

    def work() -> None:
        torch.set_num_threads(1)  # those of before the fork are gone
        dist.init_process_group("gloo")
        torch._dynamo.utils.counters.clear()  # of the tests before, in this process's parent
        for run in (RunConfig(strategy="fsdp"), RunConfig(strategy="hsdp", shards=1), RunConfig(strategy="hsdp")):
            model = built()
            compiled(model, "cpu")
            recompute(model)
            spread(model, mesh_of(run, 2, 2, "cpu"), "32-true")
            assert [name for name, _ in model.named_parameters()] == names
            with beside_training(model):
                torch.testing.assert_close(model.scores(batch_of()), built().scores(batch_of()))
                held = sum(isinstance(weight, DTensor) for weight in model.parameters())
            assert run.shards == 1 or held < len(names), "a pass gathers weights, which are to be let go"
            assert all(isinstance(weight, DTensor) for weight in model.parameters())
            assert model.output.weight.to_local().shape[0] == (60 if run.shards == 1 else 30)
        assert not torch._dynamo.utils.counters["frames"]
        dist.destroy_process_group()

    run_ranks(2, work)


@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed"])
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_bfloat16_on_two_ranks(strategy, precision, config, shards, vocab, tmp_path):
    """Near float32 and no farther, alone and together; measured and gone on from."""
    config = varied(config, optimizer="adamw", learning_rate=1e-3, steps=4, checkpoint_every=2, evaluate_every=2)
    rest = (shards, "abc", vocab)
    held_out = [HeldOut("one and two make three. ")]
    fit(varied(config, precision="32-true"), *rest, tmp_path / "exact")
    lower = varied(config, precision=precision, strategy=strategy)
    run_ranks(2, lambda: fit(lower, *rest, tmp_path / "two", held_out=held_out))
    fit(varied(lower, strategy="auto"), *rest, tmp_path / "one")
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "exact"), rel=2e-2)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-2)
    assert losses(tmp_path / "two") != losses(tmp_path / "exact")
    stored = load_file(tmp_path / "two" / "model.safetensors")
    dtype = torch.bfloat16 if precision == "bf16-true" else torch.float32
    assert {value.dtype for name, value in stored.items()} == {dtype}
    for kept in (tmp_path / "two" / "checkpoints").glob("step-*/*.safetensors"):
        weights = {name: value for name, value in load_file(kept).items() if name.startswith("model.")}
        assert {value.dtype for value in weights.values()} == {dtype}
    fit(varied(lower, strategy="auto"), *rest, tmp_path / "two", on_progress=lambda *_: pytest.fail("a step was done"))


@pytest.mark.slow  # a compiler at work
@pytest.mark.parametrize(("world", "run"), [(1, {}), (2, {"strategy": "fsdp", "activation_checkpointing": True})])
def test_compiled_blocks_give_the_same_losses(world, run, config, shards, vocab, tmp_path):
    config = varied(config, optimizer="adamw", steps=5, precision="32-true", evaluate_every=2, **run)
    held_out = [HeldOut("one and two make three. " * n) for n in range(1, 9)]

    def work(compiles: bool) -> None:
        out = tmp_path / str(compiles)
        fit(varied(config, compile=compiles), shards, "abc", vocab, out, held_out=held_out)
        assert bool(torch._dynamo.utils.counters["frames"]) == compiles
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 8

    for compiles in (False, True):
        run_ranks(world, partial(work, compiles))
    assert losses(tmp_path / "True") == pytest.approx(losses(tmp_path / "False"), rel=1e-5)
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("True", "False"))
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], rtol=1e-3, atol=1e-4, msg=name)
