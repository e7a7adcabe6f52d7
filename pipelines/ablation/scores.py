"""All that a cell's model is asked, item by item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from corpus.manifest import Manifest
from pipelines.ablation import evaluation
from pipelines.ablation.cell import CellStep, files
from pipelines.artifact import Built, Workshop
from pipelines.tokens_step import local_folder
from tokenizer import vocab
from training.evaluation import results

if TYPE_CHECKING:
    from training.models import Model

ITEMS = "items.parquet"


@dataclass(frozen=True)
class ScoresStep:
    """The scores of one cell."""

    cell: CellStep
    kind: ClassVar[str] = "scores"
    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        return f"scores/{self.cell.model}/{self.cell.arm}/{self.cell.seed}"

    @property
    def inputs(self) -> tuple[str, ...]:
        """The cell and its vocabulary."""
        return (self.cell.name, self.cell.words)

    def raw_inputs(self) -> Mapping[str, Any]:
        """What is asked, by content."""
        return {"battery": evaluation.digest(self.cell.place, evaluation.BATTERY)}

    def recipe(self) -> Mapping[str, Any]:
        """The seed of the noise in held-out examples."""
        return {"seed": self.cell.ablation.seed, "step_version": self.version}

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Asks."""
        from training.evaluation.measured import measured

        model = ready(self.cell)
        words = vocab.load(shop.place.folder(self.cell.words))
        asked, task = evaluation.battery(shop.place), self.cell.config.task(words.specials)
        scores = measured(model, words, task, asked, self.cell.ablation.seed)
        shop.lease.check()
        folder = local_folder(shop.folder)
        folder.mkdir(parents=True, exist_ok=True)
        results.write(folder / ITEMS, scores)
        values = {name: score.value for name, score in scores.items()}
        says = ", ".join(f"{name} {value:.4f}" for name, value in [*values.items()][:4])
        return Built(shards=(files(folder, (ITEMS,)),), measures={"scores": values, "says": says})

    def result(self) -> results.CellResult:
        """What the step has written, with the curve of the training up to it."""
        scores = results.read(local_folder(self.cell.place.folder(self.name)) / ITEMS)
        curve = {(tokens, measure): value for tokens, measure, value in self.cell.curve()}
        end = self.cell.config.tokens_after(self.cell.config.steps)
        curve |= {(end, measure): scores[measure].value for measure in {measure for _, measure in curve}}
        return results.CellResult(scores, [(tokens, measure, value) for (tokens, measure), value in curve.items()])


def ready(cell: CellStep) -> "Model":
    """The cell's model where it is asked: on a GPU if there is one, else on as many threads as it was trained with."""
    import torch

    from training import weights

    torch.set_num_threads(cell.config.run.threads or 1)
    model = weights.trained(local_folder(cell.place.folder(cell.name))).model
    return model.to("cuda" if torch.cuda.is_available() else "cpu")
