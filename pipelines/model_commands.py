"""What the commands that use a trained model do: write on, fill masks, hand it to other programs."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.errors import ConfigError
from corpus.storage import TEMPORARY, Folder
from pipelines.names import CHECKPOINT, VOCAB
from pipelines.session import recall
from pipelines.tokens_step import local_folder
from tokenizer import vocab

if TYPE_CHECKING:
    from training.models import Model


def generate(
    prompt: str, shots: Path | None, folder: Path | None, root: str | None, version: str | None, *, max_tokens: int,
    temperature: float, top_k: int, top_p: float, beams: int, seed: int,
) -> None:  # fmt: skip
    """Prints what the model writes after the prompt; with shots its answer alone."""
    from training.generation import prompts
    from training.generation.beam import Beams, search
    from training.generation.sample import Sampling, sample

    examples = None if shots is None else prompts.read(shots)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, max_tokens=max_tokens, seed=seed)
    model, words = _opened(folder, root, version)
    asked = prompt if examples is None else examples.before(prompt)
    if beams > 1:
        text = search(model, words, asked, Beams(width=beams, max_tokens=max_tokens))[0][1]
    else:
        text = sample(model, words, asked, sampling)
    print(text if examples is None else examples.answer(text))


def fill(text: str, folder: Path | None, root: str | None, version: str | None, top: int) -> None:
    """Prints the likeliest tokens for each mask, with their probabilities."""
    from training.generation.fill import fill_mask

    model, words = _opened(folder, root, version)
    for number, guesses in enumerate(fill_mask(model, words, text, top), 1):
        print(f"mask {number}: " + ", ".join(f"{guess.text.strip()} {guess.p:.3f}" for guess in guesses))


def export(out: Path, root: str | None, version: str | None) -> None:
    """Writes the run's model and vocabulary into a new folder that transformers reads, whole or not at all."""
    from training import interop

    if out.exists():
        raise ConfigError(f"{out} is there already; name another folder")
    model, words = _opened(None, root, version)
    staged = out.with_name(f"{TEMPORARY}{out.name}")
    shutil.rmtree(staged, ignore_errors=True)
    interop.export(model, staged, words.specials)
    vocab.save(words.tokenizer, Folder(str(staged)), words.names)
    staged.rename(out)
    print(f"model and vocabulary: {out}")


def _opened(folder: Path | None, root: str | None, version: str | None) -> tuple["Model", vocab.Vocab]:
    """The model and the vocabulary of an exported folder, or of a run."""
    from training import interop, weights

    if folder is not None:
        return interop.load(folder), vocab.load(Folder(str(folder)))
    place = recall(root, version).place
    place.need(CHECKPOINT)
    return weights.load(local_folder(place.folder(CHECKPOINT))), vocab.load(place.folder(VOCAB))
