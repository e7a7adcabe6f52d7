"""An Airflow of the tests' own. It reads AIRFLOW_HOME when first imported, so that is set here, not in a fixture."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_home = tempfile.TemporaryDirectory(prefix="airflow-")
_dags = Path(_home.name) / "dags"
_dags.mkdir()
os.environ.update(
    AIRFLOW_HOME=_home.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(_dags),  # empty: `DAG.test` imports all that lies there, every time
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH=str(Path(_home.name) / "bundles"),
)


@pytest.fixture(scope="session")
def airflow_database() -> Iterator[None]:
    """Airflow's tables in a file of the tests' own."""
    from airflow.utils.db import initdb

    initdb()
    yield
    _home.cleanup()


@pytest.fixture
def run_dag(airflow_database: None) -> Callable[..., dict[str, str]]:
    """A function that runs a DAG's tasks in this process and gives their states, `task[0]` for the mapped ones.

    Make the DAG anew for every run: `DAG.test` writes the run's parameters into it.
    """
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    def run(dag: Any, **params: Any) -> dict[str, str]:
        DagBundlesManager().sync_bundles_to_db()
        bag = BundleDagBag(dag_folder=_dags, bundle_path=_dags, bundle_name="dags-folder")
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)  # what the processor of DAG files does; `DAG.test` needs it done
        ended = dag.test(run_conf=params)
        return {
            task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]": str(task.state)
            for task in ended.get_task_instances()
        }

    return run
