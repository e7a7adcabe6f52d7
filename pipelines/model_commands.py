"""What the commands that use a trained model do: write on, fill masks, hand it to other programs."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.errors import ConfigError, DataError
from corpus.storage import TEMPORARY, Folder
from pipelines.names import CHECKPOINT, VOCAB
from pipelines.session import recall
from pipelines.tokens_step import local_folder
from tokenizer import vocab

if TYPE_CHECKING:
    from training.generation.frame import Frame
    from training.models import Model
    from training.weights import Trained


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
    model, words, frame = _opened(folder, root, version)
    asked = prompt if examples is None else examples.before(prompt)
    _tell_if_cut(model, words, asked)
    if beams > 1:
        text = search(model, words, asked, Beams(width=beams, max_tokens=max_tokens), frame)[0][1]
    else:
        text = sample(model, words, asked, sampling, frame)
    print(text if examples is None else examples.answer(text))


def _tell_if_cut(model: "Model", words: vocab.Vocab, prompt: str) -> None:
    n_tokens, context = 1 + len(words.encode_batch([prompt])[0]), model.spec.context
    if model.spec.kind == "decoder" and n_tokens > context:
        print(
            f"millstream: the prompt has {n_tokens} tokens, the model's context is {context}; only the prompt's last "
            f"{max(context // 2, 1)} are read",
            file=sys.stderr,
        )


def fill(text: str, folder: Path | None, root: str | None, version: str | None, top: int) -> None:
    """Prints the likeliest tokens for each mask, with their probabilities."""
    from training.generation.fill import fill_mask

    model, words, _ = _opened(folder, root, version)
    for number, guesses in enumerate(fill_mask(model, words, text, top), 1):
        print(f"mask {number}: " + ", ".join(f"{guess.text!r} {guess.p:.3f}" for guess in guesses))


def export(out: Path, root: str | None, version: str | None) -> None:
    """Writes the run's model and vocabulary into a new folder that transformers reads, whole or not at all."""
    from training import interop

    if out.exists():
        raise ConfigError(f"{out} is there already; name another folder")
    (model, objective, _), words = _of_run(root, version)
    staged = out.with_name(f"{TEMPORARY}{out.name}")
    shutil.rmtree(staged, ignore_errors=True)
    interop.export(model, staged, words.specials, objective)
    vocab.save(words.tokenizer, Folder(str(staged)), words.names, context=model.spec.context)
    staged.rename(out)
    print(f"model and vocabulary: {out}")


def _opened(folder: Path | None, root: str | None, version: str | None) -> tuple["Model", vocab.Vocab, "Frame"]:
    """The model and the vocabulary of an exported folder, or of a run, and how texts are put to it."""
    from training.generation.frame import Frame

    if folder is None:
        (model, objective, _), words = _of_run(root, version)
        return model, words, Frame.of(objective, words.specials)
    if root is not None or version is not None:
        raise ConfigError("--model is a folder of its own, --root and --version name a run; leave out the one or these")
    return _of_folder(folder)


def _of_folder(folder: Path) -> tuple["Model", vocab.Vocab, "Frame"]:
    from training import interop

    model = interop.load(folder)
    if not (folder / vocab.FILE).exists():
        raise DataError(f"{folder} has no {vocab.FILE}; export it again")
    words = vocab.load(Folder(str(folder)))
    if words.size != model.spec.vocab:
        raise DataError(
            f"{folder}: the vocabulary has {words.size:,} entries, the model {model.spec.vocab:,}; export it again"
        )
    return model, words, interop.frame(folder, model.spec, words.specials)


def _of_run(root: str | None, version: str | None) -> tuple["Trained", vocab.Vocab]:
    """DataError where the vocabulary is another than the model was trained with."""
    from training import weights

    place = recall(root, version).place
    place.need(CHECKPOINT)
    found, words = weights.trained(local_folder(place.folder(CHECKPOINT))), vocab.load(place.folder(VOCAB))
    if found.vocab_digest != words.digest:
        raise DataError(
            f"{CHECKPOINT} was trained with the vocabulary {found.vocab_digest[:16]}, {VOCAB} is {words.digest[:16]}; "
            f"run the recipe again to train it with this one"
        )
    return found, words
