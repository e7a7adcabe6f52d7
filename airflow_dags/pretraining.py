"""A model for each new version of token shards, trained as soon as the shards are there."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import DAG, task_group

from airflow_dags import form
from airflow_dags.assets import asset
from airflow_dags.from_recipe import scheduled
from airflow_dags.new_versions import new_versions
from airflow_dags.recipe_tasks import RecipeTasks
from airflow_dags.site import Site
from pipelines.names import CHECKPOINT, TOKENS


def pretraining(recipe: str, *, dag_id: str, built_by: str, sets: Sequence[str] = (), **options: Any) -> DAG:
    """The DAG that trains the recipe's model on shards that the DAG `built_by` makes of the same recipe. `sets` and
    `options` are as RecipeTasks takes them; what decides documents must be set as `built_by` sets it."""
    root = Site.here().under(built_by)
    shards = asset(RecipeTasks(recipe, root, sets=sets).asked.name, TOKENS)
    which = form.versions("Versions", "Of shards that are there. None: those that have just been made.")
    with scheduled(dag_id, [shards], {"versions": which, **form.trainer()}, __doc__) as dag:

        @task_group
        def model(version: str) -> None:
            RecipeTasks(recipe, root, version=version, sets=sets, **options).tasks([CHECKPOINT])

        model.expand(version=new_versions())
    return dag
