"""What every encoder-decoder is asked: batches in our names and in theirs, and laws of packing and of going on.

Legend: B batch, T tokens, I inputs of the encoder, D width, V vocabulary.
"""

from collections.abc import Callable

import torch
from hf_parity import Case, document_mask_B1TK
from torch import Tensor, nn

from training.models import Model
from training.models.cache import Cache
from training.objective import IGNORED

VOCAB, CONTEXT = 61, 20

PADDED_BI = torch.tensor([[1] * 20, [1] * 13 + [0] * 7, [1] * 4 + [0] * 16])
PADDED_BT = torch.tensor([[1] * 9 + [0] * 5, [1] * 14, [1] * 6 + [0] * 8])  # row 0's padding finds none to look at

# a document may have more inputs than tokens or fewer
PACKED_BI = torch.tensor([[1] * 9 + [2] * 4 + [3] * 7, [1] * 16 + [2] * 4, [1] * 2 + [2] * 9 + [0] * 9])
PACKED_BT = torch.tensor([[1] * 2 + [2] * 7 + [3] * 5, [1] * 6 + [2] * 8, [1] * 8 + [2] * 5 + [0]])

Embed = Callable[[str, Tensor, Tensor], Tensor]
"""What a stack of theirs would have as embeddings, less what it adds itself for positions."""


def drawn(seed: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randint(3, VOCAB, shape, generator=torch.Generator().manual_seed(seed))


def plain(theirs: nn.Module) -> Case:
    inputs_BI, tokens_BT = drawn(1, (3, 20)), drawn(2, (3, 14))
    return Case(
        theirs=theirs,
        batch={"inputs": inputs_BI, "tokens": tokens_BT, "targets": drawn(3, (3, 14))},
        inputs={"input_ids": inputs_BI, "decoder_input_ids": tokens_BT},
    )


def padded(theirs: nn.Module) -> Case:
    """With masks of theirs that have two dimensions."""
    case = plain(theirs)
    targets_BT = case.batch["targets"].where(PADDED_BT > 0, IGNORED)
    return Case(
        theirs=theirs,
        batch={**case.batch, "targets": targets_BT, "input_segments": PADDED_BI, "segments": PADDED_BT},
        inputs={**case.inputs, "attention_mask": PADDED_BI, "decoder_attention_mask": PADDED_BT},
    )


@torch.no_grad()
def packed(theirs: nn.Module, embed: Embed) -> Case:
    """With masks of four dimensions, for which their encoder is asked alone: their whole has one mask for encoder and
    cross-attention."""
    case = plain(theirs)
    inputs_BI, tokens_BT = case.batch["inputs"], case.batch["tokens"]
    encoded = theirs.get_encoder()(
        inputs_embeds=embed("encoder", inputs_BI, PACKED_BI),
        attention_mask=document_mask_B1TK(PACKED_BI, PACKED_BI, causal=False),
    )
    return Case(
        theirs=theirs,
        batch={**case.batch, "input_segments": PACKED_BI, "segments": PACKED_BT},
        inputs={
            "encoder_outputs": (encoded.last_hidden_state,),
            "attention_mask": document_mask_B1TK(PACKED_BT, PACKED_BI, causal=False),
            "decoder_inputs_embeds": embed("decoder", tokens_BT, PACKED_BT),
            "decoder_attention_mask": document_mask_B1TK(PACKED_BT, PACKED_BT, causal=True),
        },
    )


@torch.no_grad()
def assert_documents_are_as_alone(model: Model) -> None:
    """Each document of packed rows has the logits that it has alone."""
    inputs_BI, tokens_BT = drawn(4, (3, 20)), drawn(5, (3, 14))
    together_BTV = model({"inputs": inputs_BI, "tokens": tokens_BT, "input_segments": PACKED_BI, "segments": PACKED_BT})
    assert torch.isfinite(together_BTV).all()
    documents = [(b, n) for b in range(3) for n in PACKED_BT[b].unique().tolist() if n]
    assert len(documents) == 7
    for b, n in documents:
        inputs_1I, tokens_1T = inputs_BI[b, PACKED_BI[b] == n][None], tokens_BT[b, PACKED_BT[b] == n][None]
        alone_TV = model({"inputs": inputs_1I, "tokens": tokens_1T})[0]
        torch.testing.assert_close(together_BTV[b, PACKED_BT[b] == n], alone_TV, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def assert_goes_on(model: Model) -> None:
    """Tokens in pieces over a cache have the logits of the whole row, before and after rows are chosen, and the keys of
    the encoder's output are made once."""
    inputs_BI, tokens_BT = drawn(6, (3, 20)), drawn(7, (3, 14))
    batch = {"inputs": inputs_BI, "input_segments": PADDED_BI}
    whole_BTV = model({**batch, "tokens": tokens_BT})
    cache, memory_BID, rows_B = Cache.of(model.spec.decoder_layers), model.encode(batch), torch.arange(3)
    made = []
    hooks = [block.cross.key.register_forward_hook(lambda *_: made.append(1)) for block in model.decoder.blocks]
    for start, stop in ((0, 3), (3, 4), (4, 5), (5, 9), (9, 10), (10, 14)):
        if start == 5:
            chosen_B = torch.tensor([2, 0, 2, 1])
            cache.select(chosen_B)
            rows_B, memory_BID = rows_B[chosen_B], memory_BID[chosen_B]
        piece = {"tokens": tokens_BT[rows_B, start:stop], "input_segments": PADDED_BI[rows_B]}
        piece_BTV = model.output(model.head(model.hidden(piece, cache=cache, memory=memory_BID)))
        torch.testing.assert_close(piece_BTV, whole_BTV[rows_B, start:stop], rtol=1e-4, atol=1e-5)
    for hook in hooks:
        hook.remove()
    assert len(made) == model.spec.decoder_layers
    assert cache.length == 14


@torch.no_grad()
def assert_only_the_past_and_the_inputs_are_seen(model: Model) -> None:
    inputs_BI, tokens_BT = drawn(8, (2, 20)), drawn(9, (2, 14))
    before_BTV = model({"inputs": inputs_BI, "tokens": tokens_BT})
    for t in (1, 6, 13):
        changed_BT = tokens_BT.clone()
        changed_BT[:, t] = (changed_BT[:, t] + 1) % VOCAB
        after_BTV = model({"inputs": inputs_BI, "tokens": changed_BT})
        torch.testing.assert_close(after_BTV[:, :t], before_BTV[:, :t], rtol=1e-5, atol=1e-5)
        assert (after_BTV - before_BTV)[:, t:].abs().amax(dim=-1).min() > 1e-4
    other_BTV = model({"inputs": (inputs_BI + 1) % VOCAB, "tokens": tokens_BT})
    assert (other_BTV - before_BTV).abs().amax(dim=-1).min() > 1e-3


def assert_padding_is_harmless(model: Model, case: Case) -> None:
    """Logits and gradients are finite also where a padded token finds no padding to look at."""
    term = model.terms(case.batch)["tokens"]
    assert int(term.targets) == 9 + 14 + 6
    (term.nats / term.targets).backward()
    assert torch.isfinite(term.nats)
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())
