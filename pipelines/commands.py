"""What each command of the command line does."""

import re
import sys
from collections.abc import Sequence

from rich.console import Console

from corpus.errors import ConfigError
from corpus.manifest import MANIFEST
from corpus.storage import Folder
from pipelines.artifact import Place
from pipelines.listing import manifest_lines, step_lines, stored_columns
from pipelines.names import CHECKPOINT, MIXTURE, VERDICT
from pipelines.recipe import Recipe, load
from pipelines.runner import chosen, statuses
from pipelines.session import RUNS, recall, remember, require_engine, working
from pipelines.steps import steps_of
from pipelines.training_plan import model_told, rows_told

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def run(
    name: str, root: str | None, engine: str, workers: int | None, engine_sets: Sequence[str], limit: int | None,
    sets: Sequence[str], only: str | None, version: str,
) -> None:  # fmt: skip
    """Builds, reports, and says where the report is."""
    recipe, place = asked(name, root, sets, version)
    recipe.require_inputs()
    require_engine(engine)
    console = Console()
    steps = steps_of(recipe, limit, place.root)
    wanted = chosen(steps, only)
    statuses(wanted, place)  # missing inputs, a budget that cannot be filled: said before anything is written
    with working(place, engine, workers, engine_sets, console) as runner:
        remember(place, recipe, steps)
        runner.run(wanted)
    report(place.root.url, version)


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
        about = {"from": ", ".join(step.inputs) or "sources"}
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
    if not VERSION.fullmatch(version):
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
