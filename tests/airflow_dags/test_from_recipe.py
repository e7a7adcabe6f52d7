"""A recipe's graph as a DAG: its tasks, their words, and what is refused before a run."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from corpus.errors import ConfigError
from pipelines.line import line_of
from pipelines.recipe import load, shipped

DAGS = Path(__file__).resolve().parents[2] / "airflow_dags" / "dags"
HEAVY = (
    "torch",
    "lightning",
    "pyspark",
    "datatrove",
    "pyarrow",
    "numpy",
    "numba",
    "trafilatura",
    "tokenizers",
    "resiliparse",
)
PARSED = """
import json, runpy, sys
import airflow.sdk, airflow.sdk.exceptions, airflow.sdk.bases.operator
before = set(sys.modules)
dags = [runpy.run_path(path)["dag"].dag_id for path in sys.argv[1:]]
print(json.dumps([dags, sorted(set(sys.modules) - before)]))
"""


@pytest.fixture(autouse=True)
def _database(airflow_database: None) -> Iterator[None]:
    """Airflow imports are slow and want a home: see conftest."""
    return


def dag_of(*args: Any, **options: Any) -> Any:
    from airflow_dags.from_recipe import dag_of

    return dag_of(*args, **options)


@pytest.mark.parametrize("name", shipped())
def test_a_task_for_each_artifact_after_its_inputs(name: str) -> None:
    dag, line = dag_of(name), line_of(load(name))
    edges = {task.task_id: task.upstream_task_ids for task in dag.tasks}
    report = edges.pop("report")
    assert report == {name for name in edges if not any(name in after for after in edges.values())}
    assert edges == {made.replace("/", "."): {source.replace("/", ".") for source in line[made]} for made in line}
    assert dag.dag_id == name


def test_each_artifact_is_an_asset() -> None:
    outlets = {task.task_id: [asset.uri for asset in task.outlets] for task in dag_of("demo").tasks}
    assert outlets["tokens.main"] == ["millstream://demo/tokens/main"]
    assert [name for name, found in outlets.items() if len(found) != 1] == ["report"]


def test_shipped_dags_import_nothing_heavy() -> None:
    files = sorted(path for path in DAGS.glob("*.py") if path.name != "__init__.py")
    said = subprocess.run([sys.executable, "-c", PARSED, *map(str, files)], capture_output=True, text=True, check=True)
    dags, modules = json.loads(said.stdout.splitlines()[-1])
    assert dags == [path.stem for path in files] == ["demo", "monthly", "pretraining", "quality_gate", "vocabulary"]
    assert {name.partition(".")[0] for name in modules} & {*HEAVY} == set()


def test_a_recipe_that_is_wrong_names_its_line_and_field(tmp_path: Path) -> None:
    wrong = tmp_path / "mine.yaml"
    wrong.write_text("name: mine\nseed: 17\nsources: {web: {format: warc, paths: [a]}}\ncorpus: {languag: null}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml:4: corpus\.languag: .*did you mean language\?"):
        dag_of(str(wrong))
    with pytest.raises(ConfigError, match=r"--set corpus\.language\.min_score=7: .*less than or equal to 1"):
        dag_of("demo", sets=["corpus.language.min_score=7"])


def test_a_schedule_starts_nothing_that_is_past() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    from airflow_dags.monthly_build import monthly_build

    dag = DagSerialization.from_dict(DagSerialization.to_dict(monthly_build("monthly")))  # as the scheduler has it
    first = dag.next_dagrun_info(last_automated_run_info=None).run_after
    assert (first.day, first.hour) == (1, 0)
    assert first > datetime.now(UTC)


def test_snapshots_are_of_one_source(tmp_path: Path) -> None:
    from airflow_dags.monthly_build import monthly_build

    with pytest.raises(ConfigError, match="has the sources web, a"):
        monthly_build("monthly", sets=["sources.a={format: warc, paths: []}", "mix.weights={web: 0.5, a: 0.5}"])


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("workers", 0, "less than the minimum of 1"),
        ("workers", 1_000_000, "greater than the maximum of 4096"),
        ("workers", "3", "is not of type"),
        ("engine", "hadoop", "is not one of"),
        ("version", "../../etc", "does not match"),
        ("version", "v" * 65, "is too long"),
        ("limit", -1, "less than the minimum of 1"),
        ("devices", 0, "less than the minimum of 1"),
    ],
)
def test_a_parameter_out_of_range_is_refused(field: str, value: object, why: str) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = dag_of("demo").params
    with pytest.raises(ParamValidationError, match=why):
        params[field] = value
