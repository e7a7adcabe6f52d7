"""spark-submit starts the driver: it really builds the corpora, on either Spark."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine_runs import ROOT, SPARK_35, require
from on_spark import LAST, corpora
from small_run import Finished
from spark_cluster import APP_CONF, cluster

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("engine", ["spark", "spark 3.5"])
def test_same_bytes(engine: str, finished: Finished, tmp_path: Path) -> None:
    require(engine)
    python = SPARK_35 if engine == "spark 3.5" else Path(sys.executable)
    with cluster(tmp_path / "cluster", python=python) as found:
        confs = [word for key, value in APP_CONF.items() for word in ("--conf", f"{key}={value}")]
        submit = [str(python.with_name("spark-submit")), "--master", found.url, *confs]
        run = ["run", str(finished.recipe), "--root", str(tmp_path / "root"), "--only", LAST, "--engine", "spark"]
        done = subprocess.run(
            [*submit, str(ROOT / "pipelines" / "__main__.py"), *run],
            env=os.environ | {"PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": str(python)},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"on {found.url}" in done.stdout
    assert corpora(tmp_path / "root") == corpora(finished.root)
