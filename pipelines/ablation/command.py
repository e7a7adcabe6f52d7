"""`millstream ablate`: corpora, vocabularies, tokens, trainings side by side, a verdict and its page."""

import json
from collections.abc import Sequence

from rich.console import Console

from corpus.errors import ConfigError
from corpus.lease import IfBuilding, Policy
from corpus.storage import Folder
from pipelines.ablation import corpora, outcome
from pipelines.ablation.crew import side_by_side
from pipelines.ablation.graph import Graph
from pipelines.ablation.outcome import VerdictStep
from pipelines.ablation.sections import Ablation
from pipelines.ablation.tokens import check_budget
from pipelines.artifact import Place
from pipelines.commands import check_version
from pipelines.engines.pool import Pool
from pipelines.names import VERDICT
from pipelines.recipe import load_as
from pipelines.session import RUNS, ending_in_order, remember, working
from pipelines.training_plan import planned_objective, planned_specials

REPORT = "report.html"
ASKED_IN_HOLES = ("pairs", "choices", "completions")


def ablate(
    name: str, root: str | None, workers: int | None, limit: int | None, sets: Sequence[str], version: str,
    if_building: IfBuilding,
) -> None:  # fmt: skip
    """Builds what is not there yet, compares, and says what was found."""
    ablation = load_as(Ablation, name, sets)
    check_version(version)
    place = Place(Folder(root or str(RUNS / ablation.name)), version)
    graph = Graph(ablation, place)
    check(ablation, graph)
    console = Console()
    policy = Policy(if_building=if_building)
    with ending_in_order(), working(place, "local", workers, [], console, policy) as runner:
        corpora.build(ablation, runner, limit)
        runner.run([*graph.vocabularies(), *graph.tokens()])
        for model in ablation.models:
            check_budget(ablation, place, model, list(ablation.arms))
        runner.run([graph.evaluation])
        cells, scores, controls, finetuned = graph.cells(), graph.scores(), graph.controls(), graph.finetuned()
        verdict = VerdictStep(ablation, tuple(scores), tuple(finetuned), tuple(controls))
        before = [*graph.vocabularies(), *graph.tokens(), graph.evaluation]
        remember(place, ablation, [*before, *cells, *scores, *controls, *finetuned, verdict])
        with Pool(beside(workers, runner.workers)) as pool:
            side_by_side("trainings", cells, runner, pool, "tokens")
            side_by_side("evaluations", [*scores, *controls], runner, pool)
            side_by_side("fine-tunings", finetuned, runner, pool, "examples")
        runner.run([verdict])
    tell(place, ablation.name, console)


def beside(asked: int | None, cores: int) -> int:
    """How many trainings go side by side: as asked, else one on a GPU, which all would share, and one a core."""
    import torch

    return asked or (1 if torch.cuda.is_available() else cores)


def check(ablation: Ablation, graph: Graph) -> None:
    """ConfigError or DataError for what cannot be, before any work."""
    ablation.require_inputs()
    battery, _ = graph.evaluation.outside
    for model in ablation.models:
        asked = ablation.trains(model, ablation.seed)
        task = planned_objective(asked)
        if task.kind == "encoder-decoder" and any(battery.of(kind) for kind in ASKED_IN_HOLES):
            from training.evaluation.holes import hole

            try:
                hole(task.name, planned_specials(asked.tokenizer), [0], [0], [0] if battery.of("pairs") else [])
            except ConfigError as error:
                raise ConfigError(
                    f"models.{model}: {error}; take another objective, or set evaluation.minimal_pairs=0, "
                    f"evaluation.choices=[] and evaluation.completions=[]"
                ) from error


def tell(place: Place, name: str, console: Console) -> None:
    """Prints the verdict and writes its page."""
    from pipelines.ablation.table import tables
    from pipelines.report.ablation import rendered

    place.need(VERDICT)
    folder = place.folder(VERDICT)
    verdict, about = (json.loads(folder.read(file)) for file in (outcome.FOUND, outcome.ABOUT))
    made = json.loads(folder.read("run.json")) if folder.exists("run.json") else {}
    about["made"] = {"version": place.version, "commit": made.get("commit")}
    for part in tables(verdict, about):
        console.print(part)
    place.root.write(REPORT, rendered(verdict, about, name).encode())
    console.print(f"report: {place.root.path(REPORT)}", soft_wrap=True)
