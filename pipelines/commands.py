"""What each command of the command line does."""

import re
import sys
from collections.abc import Sequence

from rich.console import Console

from corpus.errors import ConfigError
from corpus.lease import IfBuilding, Policy
from corpus.manifest import MANIFEST
from corpus.storage import Folder
from pipelines.artifact import Place
from pipelines.listing import manifest_lines, step_lines, stored_columns
from pipelines.names import CHECKPOINT, MIXTURE, VERDICT, VERSION
from pipelines.recipe import Recipe, load
from pipelines.runner import Status, chosen, statuses
from pipelines.session import RUNS, ending_in_order, recall, remember, require_engine, working
from pipelines.steps import steps_of
from pipelines.training_plan import model_told, rows_told


def run(
    name: str, root: str | None, engine: str, workers: int | None, engine_sets: Sequence[str], limit: int | None,
    sets: Sequence[str], only: str | None, version: str, if_building: IfBuilding, *, alone: bool = False,
) -> None:  # fmt: skip
    """Builds, reports, and says where the report is; one artifact `alone` is built from what is there, unreported."""
    if alone and only is None:
        raise ConfigError("--alone builds one artifact; name it with --only")
    recipe, place = asked(name, root, sets, version)
    recipe.require_inputs()
    require_engine(engine)
    console = Console()
    steps = steps_of(recipe, limit, place.root)
    wanted = chosen(steps, only)
    found = statuses(wanted, place)  # missing inputs, a budget that cannot be filled: said before anything is written
    if alone:
        _need_inputs(name, found)
        wanted = wanted[-1:]
    if all(status.state == "done" for status in found if status.step in wanted):
        engine, engine_sets = "local", []  # nothing is to be built: a cluster need not be asked for
    policy = Policy(if_building=if_building)
    with ending_in_order(), working(place, engine, workers, engine_sets, console, policy) as runner:
        remember(place, recipe, steps)
        runner.run(wanted)
    if not alone:  # which reads artifacts that other runs may be building
        report(place.root.url, version)


def _need_inputs(name: str, found: Sequence[Status]) -> None:
    """ConfigError for inputs of the last artifact that are not there, or not as the recipe makes them by now."""
    last = found[-1].step
    late = [status for status in found if status.step.name in last.inputs and status.state != "done"]
    if late:
        why = ", ".join(f"{status.step.name} ({status.why})" for status in late)
        how = ", ".join(f"`millstream run {name} --only {status.step.name}`" for status in late)
        raise ConfigError(
            f"--alone: {last.name} is made from what is not done: {why}; make it with {how}, with the same --root, "
            f"--version, --limit and --set"
        )


def plan(name: str, root: str | None, limit: int | None, sets: Sequence[str], only: str | None, version: str) -> None:
    """Prints the graph: what each artifact is made from, whether it is done, its columns, its plan."""
    recipe, place = asked(name, root, sets, version)
    steps = chosen(steps_of(recipe, limit, place.root), only)
    ready = all(source.paths for source in recipe.sources.values())
    states = {status.step.name: f"{status.state}: {status.why}" for status in statuses(steps, place)} if ready else {}
    console = Console()
    known = None
    for step in steps:
        inputs = {name: manifest for name in step.inputs if (manifest := place.manifest(name)) is not None}
        quotas_known = step.name != MIXTURE or len(inputs) == len(step.inputs)
        made = step.plan(inputs) if step.kind == "corpus" and quotas_known else None
        state = states.get(step.name, "cannot run: sources have no paths yet")
        about = {"from": ", ".join(step.inputs) or ("sources" if step.kind == "corpus" else "another run")}
        if step.name == CHECKPOINT:
            about |= {"model": model_told(recipe), "rows": rows_told(recipe)}
        for line in step_lines(f"{step.name}@{place.version}", state, about, made, known):
            console.print(line)
        known = known if made is None else stored_columns(made)


def asked(name: str, root: str | None, sets: Sequence[str], version: str) -> tuple[Recipe, Place]:
    """The recipe that a command names, and where its artifacts lie."""
    recipe = load(name, sets)
    check_version(version)
    return recipe, Place(Folder(root or str(RUNS / recipe.name)), version)


def check_version(version: str) -> None:
    """ConfigError for what is no version."""
    if not re.fullmatch(VERSION, version):
        raise ConfigError(f"--version {version}: a folder's name: letters, digits, dots and dashes, 2026.11.20")


def show(name: str, root: str | None, version: str | None, as_json: bool) -> None:
    """Prints a manifest."""
    run = recall(root, version)
    manifest = run.place.need(run.known(name))
    if as_json:
        sys.stdout.write(run.place.folder(name).read(MANIFEST).decode())
        return
    console = Console()
    for line in manifest_lines(manifest):
        console.print(line)


def verify(name: str | None, root: str | None, version: str | None) -> None:
    """Checks artifacts against their manifests; DataError (exit code 3) when one differs."""
    from pipelines.verify import verify_all

    verify_all(recall(root, version), name, Console())


def explain(document: str, root: str | None, version: str | None) -> None:
    """Prints the life of one document."""
    from pipelines.trace import life_of

    run = recall(root, version)
    for line in life_of(run.place, run.current, document):
        print(line)


def report(root: str | None, version: str | None) -> None:
    """Writes the report."""
    from pipelines.report.page import write_report

    run = recall(root, version)
    if run.asked[-1] == VERDICT:
        from pipelines.ablation.command import tell

        tell(run.place, run.name, Console())
        return
    path = write_report(run.place, run.current, run.name)
    print(f"report: {path}")
