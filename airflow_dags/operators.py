"""Tasks of a DAG: each is `millstream` in a process of its own, which may be ended and started again at any time.

    MillstreamOperator      one command line
    InOrderOperator         the same command line for one item after the other

What they run is whole or not there, whatever ends them.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_dags.process import Process
from airflow_dags.site import NoLauncherError, Site

FINAL = {
    2: "what was asked for cannot be",
    4: "a measure is outside its bound",
    126: "a program that it starts may not be run",
    127: "a program that it starts is not there",
}
"""Exit codes that no retry mends: millstream's (1 is the machine, 3 the data, 5 another run that builds the same), and
those of env, nsenter and shells for what they cannot start."""


class MillstreamOperator(BaseOperator):
    """Runs `words` after the launcher's. Out come an XCom and the outlet's event, with the root and the versions.

    `words` are templates, and empty ones are left out; the log begins with the command line as it is run. It runs in
    the environment of Airflow's worker, with MILLSTREAM_HOLDER naming this task, so that a retry takes over from its
    own orphan and waits for others.
    """

    template_fields: Sequence[str] = ("launcher", "words", "root", "version")

    def __init__(
        self, *, words: Sequence[Any], root: str, version: Any, launcher: str = "local", asset: Asset | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(outlets=[asset] if asset else [], map_index_template="{{ task.version }}", **options)
        self.words = list(words)
        self.root = root
        self.version = version
        self.launcher = launcher
        self.process: Process | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Runs the command lines, one after the other."""
        versions, said = [], []
        for version, words in self.command_lines(context):
            said.append(self._run([str(word) for word in words if word not in ("", None)], context))
            versions.append(version)
        made = {"root": self.root, "versions": versions, "says": said}
        for asset in self.outlets:
            context["outlet_events"][asset].extra = made
        return made

    def command_lines(self, context: Any) -> Iterator[tuple[str, Sequence[Any]]]:
        """The version that each is about, and its words."""
        yield self.version, self.words

    def on_kill(self) -> None:
        """Ends the process when somebody ends the task."""
        if self.process:
            self.process.end()

    def _run(self, words: Sequence[str], context: Any) -> str:
        try:
            command = [*Site.here().launcher(self.launcher), *words]
        except NoLauncherError as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("$ %s", shlex.join(command))
        self.process = Process(command, {"MILLSTREAM_HOLDER": holder(context), "PYTHONUNBUFFERED": "1"})
        code = self.process.run(lambda line: self.log.info("%s", line))
        last = self.process.last[-1] if self.process.last else "it said nothing"
        if code in FINAL:
            raise AirflowFailException(f"{FINAL[code]}; a retry would not help. {last}")
        if code:
            raise AirflowException(f"ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}. {last}")
        return last


class InOrderOperator(MillstreamOperator):
    """Runs the words once for each of `items`; in the templates the fields of such a mapping are `item.field`."""

    template_fields: Sequence[str] = ("launcher", "root", "items")

    def __init__(self, *, items: Any, **options: Any) -> None:
        super().__init__(version="", **options)
        self.items = items

    def command_lines(self, context: Any) -> Iterator[tuple[str, Sequence[Any]]]:
        """As the items come: each may build on what was built before it."""
        for item in self.items:
            yield item["version"], self.render_template(self.words, cast(Any, {**context, "item": item}))


def holder(context: Mapping[str, Any]) -> str:
    """What a lease says of who holds it: the same in every try of a task."""
    task = context["ti"]
    place = f"[{task.map_index}]" if task.map_index >= 0 else ""
    return f"airflow {task.dag_id}/{task.run_id}/{task.task_id}{place}"
