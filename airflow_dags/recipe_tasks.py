"""The tasks that make a recipe's artifacts, one for each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from airflow.sdk import BaseOperator

from airflow_dags import words
from airflow_dags.assets import asset
from airflow_dags.operators import MillstreamOperator
from pipelines.line import line_of
from pipelines.names import CHECKPOINT
from pipelines.recipe import Recipe, load


@dataclass(frozen=True)
class RecipeTasks:
    """A recipe with the place of its runs.

    `version` and `sets` (overrides as `--set` takes them) are templates or mapped values. A time-out ends a try, and
    the next goes on where that one was. Pools are Airflow's, and must be there.
    """

    recipe: str
    root: str
    version: Any = words.VERSION
    sets: Sequence[Any] = ()
    settings: words.Settings = field(default_factory=dict)
    pool: str = "default_pool"
    training_pool: str = "default_pool"
    build_timeout: timedelta = timedelta(days=2)
    train_timeout: timedelta = timedelta(days=14)
    task_options: Mapping[str, Any] = field(default_factory=dict)  # whatever else Airflow's tasks take: retries, queue

    @cached_property
    def asked(self) -> Recipe:
        """The recipe, checked, with those overrides that are known before a run; ConfigError names the field."""
        return load(self.recipe, [said for said in self.sets if isinstance(said, str) and "{{" not in said])

    def command_line(self, name: str) -> list[Any]:
        """The command line that makes an artifact."""
        if name == CHECKPOINT:
            return words.train(self.recipe, self.root, self.version, self.sets)
        return words.build(self.recipe, name, self.root, self.version, self.sets, self.settings)

    def how(self, name: str) -> dict[str, Any]:
        """What an operator is told of how and where an artifact is made; its task is called as the artifact, with a dot
        for the slash."""
        trains = name == CHECKPOINT
        return {
            "task_id": name.replace("/", "."),
            "words": self.command_line(name),
            "root": self.root,
            "asset": asset(self.asked.name, name),
            "launcher": words.launcher(name),
            "pool": self.training_pool if trains else self.pool,
            "execution_timeout": self.train_timeout if trains else self.build_timeout,
            **self.task_options,
        }

    def tasks(self, names: Iterable[str]) -> dict[str, BaseOperator]:
        """Tasks for the artifacts, each after those of its inputs that are among them."""
        line = line_of(self.asked)
        made: dict[str, BaseOperator] = {}
        for name in names:
            made[name] = MillstreamOperator(version=self.version, **self.how(name))
            for source in line[name]:
                if source in made:
                    made[source] >> made[name]
        return made

    def reported(self, made: Mapping[str, BaseOperator]) -> None:
        """The task after all of these that writes the report."""
        asked = words.report(self.root, self.version)
        report = MillstreamOperator(
            task_id="report", words=asked, root=self.root, version=self.version, pool=self.pool, **self.task_options
        )
        for task in made.values():
            if not task.downstream_task_ids:
                task >> report
