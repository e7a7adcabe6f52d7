"""The artifact graph of a recipe: the whole line in one place.

archives -> corpus/extracted -> corpus/pages -> corpus/deduped -> corpus/mixture -> vocab/main -> tokens/main
                                                      |                                  |            |
                                                corpus/heldout ----------------------> checkpoint/main
"""

from corpus.storage import Folder
from pipelines.artifact import Step
from pipelines.corpus_steps import corpus_steps
from pipelines.recipe import Recipe


def steps_of(recipe: Recipe, limit: int | None, memory: Folder) -> list[Step]:
    """The steps that the recipe asks for, inputs first. `memory` is a folder where digests of raw files are kept."""
    steps: list[Step] = [*corpus_steps(recipe, limit, memory)]
    if recipe.tokenizer is not None:
        from pipelines.reused_vocab_step import ReusedVocabStep
        from pipelines.tokens_step import TokensStep
        from pipelines.vocab_step import VocabStep

        vocabulary = ReusedVocabStep(recipe) if recipe.tokenizer.reuse else VocabStep(recipe)
        steps += [vocabulary, TokensStep(recipe)]
    if recipe.training is not None:
        from pipelines.training_step import TrainingStep

        steps.append(TrainingStep(recipe))
    return steps
