"""What tasks ask of millstream, word for word. A word is a Jinja template or a mapped value; empty ones are left out.

No shell sees them: whatever a parameter holds, it stays inside its word.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipelines.names import CHECKPOINT

VERSION = "{{ params.version }}"
ENGINE = "{{ params.engine }}"
CORPORA = "corpus/"
WAITS = ("--if-building", "wait")
WAITS_ALONE = "{{ 'wait' if params.launcher == 'local' and params.devices == 1 else 'refuse' }}"
"""One process waits; several ranks cannot, and Airflow tries again later."""
LIMIT = "{% if params.get('limit') %}--limit={{ params.limit }}{% endif %}"
WORKERS = "{% if params.workers %}--workers={{ params.workers }}{% endif %}"
DEVICES = "{% if params.launcher == 'local' %}--devices={{ params.devices }}{% endif %}"

Settings = Mapping[str, Sequence[str]]
"""What engines are told, by engine: {"spark": ["spark.executor.memory=4g"]}."""


def launcher(name: str) -> str:
    """Where an artifact is made: a model where the form says, a corpus on Spark by spark-submit, all else here."""
    if name == CHECKPOINT:
        return "{{ params.launcher }}"
    return "{{ 'spark' if params.engine == 'spark' else 'local' }}" if name.startswith(CORPORA) else "local"


def build(recipe: str, name: str, root: str, version: Any, sets: Iterable[Any], settings: Settings) -> list[Any]:
    """One artifact, from inputs that are done."""
    asked = ["run", recipe, "--only", name, "--alone", *_placed(root, version), LIMIT, WORKERS, *_with(sets)]
    if not name.startswith(CORPORA):  # made on one machine, whatever builds the corpora
        return asked
    chosen = [
        f"{{% if params.engine == '{engine}' %}}--engine-set={setting}{{% endif %}}"
        for engine, some in settings.items()
        for setting in some
    ]
    return [*asked, "--engine", ENGINE, *chosen]


def train(recipe: str, root: str, version: Any, sets: Iterable[Any]) -> list[Any]:
    """A recipe's model, on this host by torchrun, or by the ranks that Slurm starts."""
    waits = ("--if-building", WAITS_ALONE)
    return ["train", recipe, "--root", root, "--version", version, *waits, LIMIT, DEVICES, *_with(sets)]


def ablate(recipe: str, root: str, version: Any, sets: Iterable[Any]) -> list[Any]:
    """An ablation with its verdict."""
    return ["ablate", recipe, *_placed(root, version), LIMIT, WORKERS, *_with(sets)]


def report(root: str, version: Any) -> list[Any]:
    """The report on what has been made."""
    return ["report", "--root", root, "--version", version]


def promote(root: str, version: Any, verdict_root: str) -> list[Any]:
    """A corpus version, if the gate of an ablation of the same version holds."""
    return ["promote", "--root", root, "--version", version, "--verdict", verdict_root, "--verdict-version", version]


def _placed(root: str, version: Any) -> list[Any]:
    return ["--root", root, "--version", version, *WAITS]


def _with(sets: Iterable[Any]) -> list[Any]:
    return [word for said in sets for word in ("--set", said)]
