"""Which artifacts a recipe asks for, and what each is made from. Nothing heavy is imported: schedulers ask this."""

from collections.abc import Mapping

from pipelines.names import CHECKPOINT, DEDUPED, EXTRACTED, HELDOUT, MIXTURE, PAGES, TOKENS, VOCAB
from pipelines.sections import Recipe


def line_of(recipe: Recipe) -> Mapping[str, tuple[str, ...]]:
    """The artifacts of the recipe, inputs first, each with the artifacts that it is made from, as steps.py has them."""
    line: dict[str, tuple[str, ...]] = {EXTRACTED: (), PAGES: (EXTRACTED,), DEDUPED: (PAGES,)}
    held = (HELDOUT,) if recipe.corpus.holdout else ()
    if held:
        line[HELDOUT] = (DEDUPED,)
    if recipe.mix:
        line[MIXTURE] = (DEDUPED, *held)
    if recipe.tokenizer:
        line[VOCAB] = () if recipe.tokenizer.reuse else (MIXTURE,)
        line[TOKENS] = (MIXTURE, VOCAB)
    if recipe.training:
        line[CHECKPOINT] = (VOCAB, TOKENS, *held)
    return line


def made_from(line: Mapping[str, tuple[str, ...]], name: str) -> list[str]:
    """The artifact and all that it is made from, in the order of the line."""
    wanted = {name}
    for made, inputs in reversed([*line.items()]):
        if made in wanted:
            wanted |= set(inputs)
    return [made for made in line if made in wanted]
