"""A recipe's artifact graph as a DAG: one task per artifact.

    from airflow_dags.from_recipe import dag_of
    dag = dag_of("/data/recipes/my_corpus.yaml", schedule="@monthly")

Also what all of our DAGs have in common.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_dags import form
from airflow_dags.assets import GROUP
from airflow_dags.recipe_tasks import RecipeTasks
from airflow_dags.site import Site
from pipelines.line import line_of, made_from
from pipelines.names import CHECKPOINT

RETRIES: Mapping[str, Any] = {"retries": 3, "retry_delay": timedelta(minutes=1), "retry_exponential_backoff": True}
LONGEST_DELAY = timedelta(hours=1)


def dag_of(
    recipe: str, *, dag_id: str | None = None, schedule: Any = None, until: str | None = None, root: str = "",
    **options: Any,
) -> DAG:  # fmt: skip
    """The DAG of a recipe, up to the artifact `until`, called as the recipe is unless it has a `dag_id`.

    `options` are those of RecipeTasks; the artifacts lie under the site's root, in a folder of the DAG's name, unless
    `root` says otherwise. A recipe that is wrong is a ConfigError with its line and field: Airflow shows it among its
    import errors.
    """
    made = RecipeTasks(recipe, root=root, **options)
    called = dag_id or made.asked.name
    made = replace(made, root=made.root or Site.here().under(called))
    line = line_of(made.asked)
    names = list(line) if until is None else made_from(line, until)
    fields = {"version": form.version(), **form.engine(), **(form.trainer() if CHECKPOINT in names else {})}
    doc = f"`millstream run {recipe}`, a task for each artifact: {', '.join(names)}."
    with scheduled(called, schedule, fields, doc) as dag:
        made.reported(made.tasks(names))
    return dag


def scheduled(dag_id: str, schedule: Any, form: Mapping[str, Any], doc: str) -> DAG:
    """An empty DAG with a trigger form, and with our habits: one run at a time, retries, nothing for times gone by.

    It has no start date: where there is one, Airflow begins with the last run that was due."""
    return DAG(
        dag_id, schedule=schedule, catchup=False, max_active_runs=1, params=dict(form), doc_md=doc,
        default_args={**RETRIES, "max_retry_delay": LONGEST_DELAY}, tags=[GROUP],
    )  # fmt: skip
