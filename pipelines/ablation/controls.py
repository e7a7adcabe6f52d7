"""What knows nothing of the arms: a model before training, and a bigram of the baseline's tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from corpus.manifest import Manifest
from pipelines.ablation import evaluation
from pipelines.ablation.cell import CellStep
from pipelines.ablation.tokens import opened
from pipelines.artifact import Built, Workshop
from tokenizer import vocab
from tokenizer.bigram import Bigram
from training.evaluation.battery import HELD_OUT, Battery


@dataclass(frozen=True)
class ControlsStep:
    """The scores of both, by measure; `cell` is one of the baseline's."""

    cell: CellStep
    kind: ClassVar[str] = "controls"
    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        return f"controls/{self.cell.model}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """As a cell has them."""
        return self.cell.inputs

    def raw_inputs(self) -> Mapping[str, Any]:
        """What is asked, by content."""
        return {"battery": evaluation.digest(self.cell.place, evaluation.BATTERY)}

    def recipe(self) -> Mapping[str, Any]:
        """As a cell has it: the seed decides the weights before training."""
        return {**self.cell.recipe(), "step_version": self.version}

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Asks both."""
        import torch

        from training import models
        from training.evaluation.measured import measured

        words, asked = vocab.load(shop.place.folder(self.cell.words)), evaluation.battery(shop.place)
        config = self.cell.config
        torch.set_num_threads(config.run.threads or 1)
        torch.manual_seed(config.seed)
        model, task = models.build(config.model).eval(), config.task(words.specials)
        scores = measured(model, words, task, asked, self.cell.ablation.seed)
        found = {"untrained": {name: score.value for name, score in scores.items()}}
        if task.name == "causal" and words.lossless:
            shards = opened(shop.place, self.cell.tokens, words.size)
            found["bigram"] = _bigram(Bigram.fit((shard.tokens for shard in shards), words.size), words, asked)
        return Built(measures={**found, "says": f"{', '.join(found)}: {len(scores)} measures"})


def _bigram(bigram: Bigram, words: vocab.Vocab, asked: Battery) -> dict[str, float]:
    """Bits per byte of the held-out sets, and minimal pairs."""

    def bits(texts: list[str]) -> list[float]:
        return [float(bigram.bits(np.concatenate([[words.eod_id], ids]))) for ids in words.encode_batch(texts)]

    found = {
        f"bits_per_byte/{name}": sum(bits([doc.text for doc in docs])) / sum(len(doc.text.encode()) for doc in docs)
        for name, docs in asked.of(HELD_OUT).items()
    }
    for pairs in asked.of("pairs").values():
        good, bad = np.array(bits([pair.good for pair in pairs])), np.array(bits([pair.bad for pair in pairs]))
        found["blimp"] = float(np.mean((good < bad) + 0.5 * (good == bad)))
    return found
