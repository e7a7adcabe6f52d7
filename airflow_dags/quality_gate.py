"""Whether a new version of a corpus may be used: an ablation on its archives, and its promotion if the gate holds."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task, task_group

from airflow_dags import form, words
from airflow_dags.assets import asset
from airflow_dags.from_recipe import scheduled
from airflow_dags.new_versions import new_versions
from airflow_dags.operators import MillstreamOperator
from airflow_dags.site import Site
from airflow_dags.snapshots import archives, only_source
from pipelines.ablation.sections import Ablation
from pipelines.names import DEDUPED, VERDICT
from pipelines.recipe import load_as

PROMOTED = "promoted"
IN_ORDER = {"max_active_tis_per_dag": 1}
"""Versions one after the other, so that the last one stays promoted; a verdict's trainings take the machine anyway."""


def quality_gate(
    ablation: str, *, dag_id: str, built_by: str, recipe: str, pattern: str = "", sets: Sequence[str] = (),
    pool: str = "default_pool", timeout: timedelta = timedelta(days=7), task_options: Mapping[str, Any] | None = None,
) -> DAG:  # fmt: skip
    """The DAG that asks an ablation with a `gate` about each new version of a corpus, which the DAG `built_by` makes.
    `pattern` is that of the archives, as `built_by` has it; `sets` are overrides of the ablation."""
    site = Site.here()
    asked = load_as(Ablation, ablation, sets)
    source = only_source(asked)
    corpus_root, verdict_root = site.under(built_by), site.under(dag_id)
    which = form.versions("Versions", "Of the corpus. None: those that have just been made.")
    with scheduled(dag_id, [asset(recipe, DEDUPED)], {"versions": which, **form.machine()}, __doc__) as dag:

        @task
        def with_archives(versions: Any) -> list[dict[str, str]]:
            """The versions with what is set over the ablation for each."""
            found = pattern or site.archives
            return [{"version": name, "archives": archives(source, found, name)} for name in versions]

        @task_group
        def gate(version: Any, archives: Any) -> None:
            common = {
                "version": version,
                "pool": pool,
                "execution_timeout": timeout,
                **IN_ORDER,
                **(task_options or {}),
            }
            verdict = MillstreamOperator(
                task_id="verdict", words=words.ablate(ablation, verdict_root, version, [*sets, archives]),
                root=verdict_root, asset=asset(asked.name, VERDICT), **common,
            )  # fmt: skip
            promotion = MillstreamOperator(
                task_id="promotion", words=words.promote(corpus_root, version, verdict_root), root=corpus_root,
                asset=asset(recipe, PROMOTED), **common,
            )  # fmt: skip
            verdict >> promotion

        gate.expand_kwargs(with_archives(new_versions()))
    return dag
