"""Legend: T tokens, V vocabulary."""

import pytest
import torch

from corpus.errors import ConfigError
from training.generation.fill import fill_mask, masked


@pytest.mark.parametrize(("family", "mask"), [("bert", "[MASK]"), ("roberta", "<mask>")])
@torch.no_grad()
def test_guesses_are_the_models(speaker, family, mask):
    model, vocab = speaker(family)
    text = f"two and {mask} make {mask}."
    line = masked(vocab, text, 24)
    assert (line[0], line[-1]) == (vocab.specials.start, vocab.specials.separator)
    p_TV = model({"tokens": torch.tensor([line])})[0].softmax(-1)
    places = [t for t, token in enumerate(line) if token == vocab.specials.mask]
    guesses = fill_mask(model, vocab, text, top=3)
    assert len(guesses) == len(places) == 2
    for t, three in zip(places, guesses, strict=True):
        expected = p_TV[t].topk(3)
        assert [guess.token for guess in three] == expected.indices.tolist()
        assert [guess.p for guess in three] == pytest.approx(expected.values.tolist(), rel=1e-4)
        assert [guess.text for guess in three] == [vocab.decode([guess.token]) for guess in three]
    assert sum(guess.p for guess in fill_mask(model, vocab, text, top=10**6)[0]) == pytest.approx(1, rel=1e-4)


def test_a_blank_belongs_to_what_it_is_before(vocabs):
    """With the mask's place taken by the word, a byte-level line is that of the text."""
    vocab = vocabs["roberta"]
    line = masked(vocab, "two and <mask> make four.", 24)
    (word,) = vocab.encode_batch([" three"])[0].tolist()
    filled = [word if token == vocab.specials.mask else token for token in line[1:-1]]
    assert filled == vocab.encode_batch(["two and three make four."])[0].tolist()


def test_the_mask_may_stand_anywhere(vocabs):
    for name in ("bert", "roberta"):
        vocab = vocabs[name]
        mask = vocab.tokenizer.id_to_token(vocab.specials.mask)
        ends = [vocab.specials.start, *[vocab.specials.mask] * 2, vocab.specials.separator]
        assert masked(vocab, f"{mask}{mask}", 4) == ends
        with pytest.raises(ConfigError, match="has 4 tokens, the model's context is 3"):
            masked(vocab, f"{mask}{mask}", 3)


def test_what_cannot_be_filled_is_said(speaker):
    with pytest.raises(ConfigError, match=r'no "\[MASK\]"'):
        fill_mask(*speaker("bert"), "two and two")
    with pytest.raises(ConfigError, match="masks are filled by encoders"):
        fill_mask(*speaker("gpt2"), "two")
    with pytest.raises(ConfigError, match="no start, separator and mask"):
        fill_mask(speaker("bert")[0], speaker("gpt2")[1], "two")
