"""Greedy and beam search write what transformers.generate writes with the same weights."""

import warnings

import pytest
import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OpenAIGPTConfig,
    OpenAIGPTLMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
)

from training import interop
from training.generation.beam import Beams, searched
from training.generation.decoding import Decoding, text_of
from training.generation.sample import Sampling, continued, sample

VOCAB, END, START, NEW = 23, 1, 0, 12
GPT = {"vocab_size": VOCAB, "n_positions": 40, "n_embd": 16, "n_layer": 2, "n_head": 2}
LLAMA = {
    "vocab_size": VOCAB, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": 40,
}  # fmt: skip
T5 = {"vocab_size": VOCAB, "d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2, "dropout_rate": 0.0}
BART = {
    "vocab_size": VOCAB, "d_model": 16, "max_position_embeddings": 40, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24,
    "dropout": 0.0, "forced_eos_token_id": None,
}  # fmt: skip
THEIRS = {
    "gpt": lambda: OpenAIGPTLMHeadModel(OpenAIGPTConfig(**GPT)),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**GPT)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**LLAMA)),
    "t5": lambda: T5ForConditionalGeneration(T5Config(**T5)),
    "bart": lambda: BartForConditionalGeneration(BartConfig(**BART)),
}


@pytest.fixture(scope="module", params=THEIRS)
def pair(request):
    """Theirs and ours; wide weights, so that they have clear opinions, and write ends now and then."""
    torch.manual_seed(5)
    theirs = THEIRS[request.param]().eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            if weight.dim() == 2:
                weight.copy_(torch.randn_like(weight) * 0.5)
    config = theirs.config.to_dict() | {"architectures": [type(theirs).__name__]}
    return theirs, interop.from_hf(config, theirs.state_dict())


def prompts():
    generator = torch.Generator().manual_seed(7)
    return [torch.randint(2, VOCAB, (1, n), generator=generator) for n in (1, 3, 4, 6, 9, 14)]


def generated(theirs, prompt_1T, **how):
    """Their sequences after the prompt (or the start token), up to the end, with their scores."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about settings that are not theirs by default
        said = theirs.generate(
            prompt_1T,
            attention_mask=torch.ones_like(prompt_1T),
            max_new_tokens=NEW,
            do_sample=False,
            eos_token_id=END,
            pad_token_id=END,
            bos_token_id=None,
            decoder_start_token_id=START,
            return_dict_in_generate=True,
            output_scores=True,
            **how,
        )
    first = 1 if theirs.config.is_encoder_decoder else prompt_1T.shape[1]
    rows = [row[first:].tolist() for row in said.sequences]
    return [row[: row.index(END)] if END in row else row for row in rows], said


def opened(ours, prompt_1T, **how):
    prompt = prompt_1T[0].tolist()
    if ours.spec.kind == "encoder-decoder":
        return Decoding(ours, prompt, **how), [START]
    return Decoding(ours, **how), prompt


def test_greedy(pair):
    theirs, ours = pair
    lengths = set()
    for prompt_1T in prompts():
        (expected,), _ = generated(theirs, prompt_1T)
        assert continued(*opened(ours, prompt_1T), Sampling(temperature=0, max_tokens=NEW), END) == expected
        lengths.add(len(expected))
    assert len(lengths) > 1 or NEW in lengths


@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0, -0.5])
def test_beams(pair, width, length_penalty):
    theirs, ours = pair
    beams = Beams(width=width, max_tokens=NEW, length_penalty=length_penalty, norm="power")
    if width == 1:  # transformers has no search of width 1: greedy
        for prompt_1T in prompts():
            expected, _ = generated(theirs, prompt_1T)
            assert [found.tokens for found in searched(*opened(ours, prompt_1T), beams, END)] == expected
        return
    for prompt_1T in prompts():
        how = {"num_beams": width, "num_return_sequences": width, "length_penalty": length_penalty}
        expected, said = generated(theirs, prompt_1T, early_stopping=False, **how)
        found = searched(*opened(ours, prompt_1T), beams, END)
        assert [text.tokens for text in found] == expected
        assert [text.score for text in found] == pytest.approx(said.sequences_scores.tolist(), rel=1e-4)


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(temperature=1.5, seed=3)])
def test_the_cache_changes_nothing(pair, sampling):
    _, ours = pair
    for prompt_1T in prompts():
        kept, again = (continued(*opened(ours, prompt_1T, cached=cached), sampling, END) for cached in (True, False))
        assert kept == again
        found, without = (
            searched(*opened(ours, prompt_1T, cached=cached), Beams(width=3, max_tokens=NEW), END)
            for cached in (True, False)
        )
        assert [text.tokens for text in found] == [text.tokens for text in without]
        assert [text.score for text in found] == pytest.approx([text.score for text in without], rel=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "llama", "t5", "bart"])
def test_exported_models_write_the_same_text(speaker, family, tmp_path):
    """Their `generate`, told nothing but the prompt, begins and ends where ours does."""
    ours, vocab = speaker(family)
    interop.export(ours, tmp_path, vocab.specials)
    theirs = type(THEIRS[family]()).from_pretrained(tmp_path)
    assert theirs.generation_config.eos_token_id == vocab.eod_id
    (ids,) = vocab.encode_batch(["two and"])
    around = {"bart": ([vocab.specials.start], [vocab.eod_id]), "t5": ([], [vocab.eod_id])}
    before, after = around.get(family, ([vocab.eod_id], []))
    prompt_1T = torch.tensor([[*before, *ids.tolist(), *after]])
    mask_1T = torch.ones_like(prompt_1T)
    written = theirs.generate(prompt_1T, attention_mask=mask_1T, max_new_tokens=9, do_sample=False)[0].tolist()
    new = written[1:] if theirs.config.is_encoder_decoder else written[prompt_1T.shape[1] :]
    new = new[: new.index(vocab.eod_id)] if vocab.eod_id in new else new
    assert sample(ours, vocab, "two and", Sampling(temperature=0, max_tokens=9)) == text_of(vocab, new)


def test_texts_longer_than_the_context_go_on(pair):
    """From their last half, cached or not."""
    _, ours = pair
    never = -1
    for length in (30,) if ours.spec.kind == "encoder-decoder" else (38, 90):
        prompt_1T = torch.full((1, length), 5)
        kept, again = (
            continued(*opened(ours, prompt_1T, cached=cached), Sampling(max_tokens=50, temperature=1), never)
            for cached in (True, False)
        )
        assert kept == again
        assert len(kept) == 50
