"""The command of the README that starts a local Airflow."""

from pathlib import Path

import pytest
from airflow_standalone import Standalone, until

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = {"demo", "vocabulary", "monthly", "pretraining", "quality_gate"}


@pytest.mark.slow
def test_an_airflow_with_the_dags_that_ship_and_two_months_to_build(tmp_path: Path) -> None:
    start = ("make", "-C", str(ROOT), "airflow")
    with Standalone(tmp_path / "home", ROOT / "airflow_dags" / "dags", start=start) as airflow:
        until(lambda: set(airflow.dags()) == SHIPPED, "the DAGs that ship", timeout=120)
        assert airflow.import_errors() == {}
        assert all(dag["is_paused"] for dag in airflow.dags().values())
    months = sorted(path.parent.name for path in (tmp_path / "home" / "crawl").glob("*/*.warc.gz"))
    assert months == ["2026-10", "2026-11"]
