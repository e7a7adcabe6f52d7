"""`millstream train`: the last artifact of a recipe, on one device or on many that torchrun or Slurm starts."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from rich.console import Console

from corpus.canonical import fingerprint
from corpus.errors import ConfigError
from corpus.lease import IfBuilding, Policy
from pipelines import commands
from pipelines.artifact import Place, Step, changed_inputs
from pipelines.names import CHECKPOINT
from pipelines.runner import identity, statuses
from pipelines.session import remember, working
from pipelines.steps import steps_of
from pipelines.training_step import TrainingStep
from training.launched import launched


def train(
    name: str, root: str | None, devices: int, limit: int | None, sets: Sequence[str], version: str,
    if_building: IfBuilding,
) -> None:  # fmt: skip
    """Alone, all that the model is made from too; as one of several ranks, or with a recipe that names no archives, the
    model only, from what is there."""
    here = launched()
    if devices > 1 and here.world > 1:
        raise ConfigError(f"--devices {devices} starts ranks, and {here.by} has started {here.world}; leave it out")
    recipe, place = commands.asked(name, root, sets, version)
    named = all(source.paths for source in recipe.sources.values())
    if devices == here.world == 1 and named:
        commands.run(name, root, "local", None, [], limit, sets, CHECKPOINT, version, if_building)
        return
    if if_building == "wait" and max(devices, here.world) > 1:
        # ranks that wait for the first one give up after minutes, and know not what it found
        raise ConfigError("--if-building wait: several ranks cannot wait for another run; say refuse and try again")
    steps = steps_of(recipe, limit, place.root)
    step = steps[-1]
    if not isinstance(step, TrainingStep):
        raise ConfigError(f"{recipe.name} has no training section; add one, or build its corpus with `millstream run`")
    if named:
        _need_inputs(name, steps, place)
    else:
        _need_what_lies_there(step, place)
    if devices > 1:
        _with_torchrun(devices)
    if here.rank == 0:
        with working(place, "local", None, [], Console(), Policy(if_building=if_building)) as runner:
            remember(place, recipe, steps)
            runner.run([step])
        commands.report(place.root.url, version)
        return
    inputs = {source: place.need(source) for source in step.inputs}
    found = place.manifest(step.name)
    if found is None or found.fingerprint != fingerprint(identity(step, inputs, version)):
        step.follow(place, inputs)


def _need_inputs(name: str, steps: Sequence[Step], place: Place) -> None:
    """Ranks wait for each other: what takes one process hours is made before."""
    needed = [step for step in steps if step.name != CHECKPOINT]
    if late := [status.step.name for status in statuses(needed, place) if status.state != "done"]:
        raise ConfigError(
            f"{', '.join(late)} must be made before several ranks train on them: `millstream run {name} --only "
            f"{steps[-1].inputs[1]}`, with the same --root and --set"
        )


def _need_what_lies_there(step: Step, place: Place) -> None:
    """A recipe without archives cannot tell whether its corpora are as it would make them; that they are there, and
    made from each other, can be seen."""
    for name in step.inputs:
        manifest = place.manifest(name)
        if manifest is None or (other := changed_inputs(place, manifest)):
            what = "is not there" if manifest is None else f"was made from another {', '.join(other)} than lies there"
            raise ConfigError(
                f"{name}@{place.version} {what}, in {place.root.url}, and the recipe names no archives to make it "
                f"from: give them with --set 'sources.NAME.paths=[...]', or name the --root and --version that have it"
            )


def _with_torchrun(devices: int) -> NoReturn:
    """Runs this command once for each device, and ends as the first of them that failed."""
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    words = sys.argv[1:]
    at = next(n for n, word in enumerate(words) if word.startswith("--devices"))
    words = words[:at] + words[at + (1 if "=" in words[at] else 2) :]
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does, which tells of it at length
    try:
        run.main(["--standalone", "--nproc-per-node", str(devices), "-m", "pipelines", *words])
    except ChildFailedError as failed:
        code = failed.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else 128 - code)
    except SignalException as stopped:
        sys.exit(128 + stopped.sigval)
    sys.exit()
