"""A month's snapshot from its archives to token shards, without what earlier snapshots hold already.

Each snapshot is a released version, called as its folder of archives. Several of one run are read side by side, then
deduplicated in their order, each against those before it, and cut into shards side by side again.
"""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import DAG, Param, get_current_context, task, task_group

from airflow_dags import form
from airflow_dags.from_recipe import scheduled
from airflow_dags.operators import InOrderOperator
from airflow_dags.recipe_tasks import RecipeTasks
from airflow_dags.site import Site
from airflow_dags.snapshots import Snapshot, built, month_before, only_source, snapshots
from pipelines.line import line_of
from pipelines.names import CHECKPOINT, DEDUPED, EXTRACTED, PAGES

MOST_EARLIER = 1000


def monthly_build(
    recipe: str, *, dag_id: str | None = None, schedule: Any = "@monthly", pattern: str = "", sets: Sequence[str] = (),
    **options: Any,
) -> DAG:  # fmt: skip
    """The DAG of a recipe with one source. `pattern` is that of the archives, with {snapshot} in it; the site's unless
    given. `sets` and `options` are as RecipeTasks takes them. A run that names no snapshot builds the month before."""
    asked = RecipeTasks(recipe, root="", sets=sets).asked
    called = dag_id or asked.name
    root, pattern = Site.here().under(called), pattern or Site.here().archives
    last = [name for name in line_of(asked) if name not in (EXTRACTED, PAGES, DEDUPED, CHECKPOINT)]
    source = only_source(asked)
    fields = {
        "snapshots": form.versions("Snapshots", f"Folders of archives, as in {pattern}. None: the month before."),
        "earlier": Param(
            MOST_EARLIER, type="integer", minimum=0, maximum=MOST_EARLIER, title="Earlier snapshots",
            description="With how many of those before it a snapshot is compared; what they hold is left out of it.",
        ),
        **form.engine(),
    }  # fmt: skip

    def tasks_of(version: Any, *more: Any) -> RecipeTasks:
        return RecipeTasks(recipe, root=root, version=version, sets=(*sets, *more), **options)

    with scheduled(called, schedule, fields, __doc__) as dag:

        @task
        def chosen() -> list[Snapshot]:
            """The snapshots of this run, with what each is compared with."""
            context = get_current_context()
            wanted = context["params"]["snapshots"] or [month_before(context["dag_run"].run_after)]
            return snapshots(wanted, built(root), source, pattern, context["params"]["earlier"])

        @task_group
        def read(version: str, archives: str, against: str) -> None:
            # without `against`: what it names may be built by this very run, after these
            tasks_of(version, archives).tasks([EXTRACTED, PAGES])

        @task_group
        def shards(version: str, archives: str, against: str) -> None:
            made = tasks_of(version, archives, against)
            made.reported(made.tasks(last))

        items = chosen()
        one = tasks_of("{{ item.version }}", "{{ item.archives }}", "{{ item.against }}")
        deduped = InOrderOperator(items=items, **one.how(DEDUPED))
        read.expand_kwargs(items) >> deduped >> shards.expand_kwargs(items)
    return dag
