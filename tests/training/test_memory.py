"""Memory by formula against what torch keeps: optimizer state by count, activations of compiled blocks in bytes."""

import pytest
import torch

from training import loss, models
from training.config import TrainingConfig
from training.families.multiplies import Positions
from training.memory import PIECE_TOKENS, memory
from training.optim import optimizer
from training.parallel import blocks, recompute
from training.spec import ModelSpec, preset

B, T = 8, 128
OBJECTIVES = {"decoder": "causal", "encoder": "masked", "encoder-decoder": "bart"}


def config_of(spec: ModelSpec, **more) -> TrainingConfig:
    return TrainingConfig(model=spec, objective=OBJECTIVES[spec.kind], steps=10, seed=1, **more)


def kept_bytes(model, batch) -> int:
    """What autograd keeps between the passes, less the weights and their copies."""
    shapes = {shape for weight in model.parameters() for shape in (weight.shape, weight.shape[::-1])}
    kept = {}

    def pack(tensor):
        if tensor.shape not in shapes:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.terms(batch)
        return sum(storage.nbytes() for storage in kept.values())


def batch_of(spec: ModelSpec) -> dict[str, torch.Tensor]:
    batch = {name: torch.randint(0, spec.vocab, (B, T)) for name in ("tokens", "targets")}
    if spec.kind == "encoder-decoder":
        batch["inputs"] = torch.randint(0, spec.vocab, (B, T))
    return batch


MODELS = [("gpt2", {}), ("llama", {"kv_heads": 2}), ("bert", {}), ("bart", {"decoder_layers": 3})]


@pytest.mark.filterwarnings("ignore:The .grad attribute", "ignore:.torch.jit.script_method")  # torch's compiler
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize(("family", "options"), MODELS)
def test_activations_are_those_that_are_kept(family, options, precision):
    """Of blocks that are compiled: what is cheap to make again is not kept."""
    spec = ModelSpec(family=family, layers=4, width=64, heads=4, ffn=256, vocab=40, context=T, **options)
    model = models.build(spec)
    torch.compiler.reset()  # of other tests' compilations
    for block in blocks(model):
        block.compile(backend="aot_eager_decomp_partition")
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
        kept = kept_bytes(model, batch_of(spec))
    row = Positions(T, T if spec.kind == "encoder-decoder" else 0)
    assert memory(config_of(spec), row, precision, rows=B).activations == pytest.approx(kept, rel=0.12)


def test_activations_that_are_computed_again_are_not_kept():
    spec = ModelSpec(family="gpt2", layers=12, width=64, heads=4, ffn=256, vocab=40, context=T)
    model = models.build(spec)
    recompute(model)
    said = memory(config_of(spec), Positions(T), "32-true", rows=B, recompute=True).activations
    one_block = B * T * 16 * spec.width * 4  # whose inside stands while it is computed again
    assert said - one_block == pytest.approx(kept_bytes(model, batch_of(spec)), rel=0.08)


@pytest.mark.parametrize("rule", ["adamw", "muon", "adafactor"])
@pytest.mark.parametrize(("family", "options"), MODELS)
def test_optimizer_states_are_those_that_it_makes(family, options, rule):
    spec = ModelSpec(family=family, layers=4, width=256, heads=4, ffn=1024, vocab=1024, context=32, **options)
    config = config_of(spec, optimizer=rule)
    moving = optimizer(models.build(spec), config)
    moving.make_state()
    made = sum(tensor.nbytes for state in moving.state.values() for tensor in state.values())
    said = memory(config, Positions(T, T), "32-true", rows=1).optimizer
    assert said == pytest.approx(made, rel=0.03, abs=0.04 * spec.n_params())  # a hundredth of the weights


def test_korthikanti_s_formula():
    """34 bytes a token, width and layer in 16 bits, less the two dropout masks' 2 (Reducing Activation Recomputation,
    equation 1); the products of queries and keys, its other term, are not kept."""
    spec, row = preset("gpt2"), Positions(1024)
    deep, flat = (
        memory(config_of(preset("gpt2", layers=layers)), row, "bf16-true", rows=1).activations for layers in (13, 12)
    )
    assert deep - flat == 1024 * spec.width * 32


def test_a_spread_model_holds_its_share():
    config, row = config_of(preset("llama-7b"), optimizer="adamw"), Positions(2048)
    whole, spread = (memory(config, row, "bf16-mixed", rows=1, shards=shards) for shards in (1, 8))
    assert (whole.weights, whole.gradients, whole.optimizer) == tuple(
        n * 6_738_415_616 for n in (4, 4, 8)
    )  # Rajbhandari et al. 2020, ZeRO, section 3.1: 16 bytes a parameter
    assert spread.weights + spread.gradients + spread.optimizer == 2 * 6_738_415_616
    assert spread.activations == whole.activations
    assert whole.gathered == 0 < spread.gathered
    assert spread.total < whole.total / 3


def test_logits_stand_in_the_pieces_of_a_gpu():
    assert loss.PIECE_TOKENS["cuda"] == PIECE_TOKENS


def test_true_bfloat16_halves_what_is_stored():
    config, row = config_of(preset("gpt2")), Positions(1024)
    mixed, true = (memory(config, row, precision, rows=1) for precision in ("bf16-mixed", "bf16-true"))
    assert mixed.weights == 2 * true.weights
    assert mixed.activations > true.activations
