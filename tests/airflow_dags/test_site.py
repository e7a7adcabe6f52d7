"""Where things are, as the environment says it."""

import sys
from pathlib import Path

import pytest

from airflow_dags.site import NoLauncherError, Site


def test_beside_this_python_and_under_airflow_home(tmp_path: Path) -> None:
    site = Site.here({"AIRFLOW_HOME": str(tmp_path)})
    assert site.launcher("local") == (str(Path(sys.executable).parent / "millstream"),)
    assert site.launcher("spark") == site.launcher("local")
    assert site.under("monthly") == f"{tmp_path}/runs/monthly"
    assert site.archives == f"{tmp_path}/crawl/{{snapshot}}/*.warc.gz"


def test_what_variables_say_wins() -> None:
    site = Site.here(
        {
            "MILLSTREAM_COMMAND": "sh -c 'a b'",
            "MILLSTREAM_SPARK_SUBMIT": "env spark-submit --master 'spark://h:7077'",
            "MILLSTREAM_SRUN": "env srun --nodes 2",
            "MILLSTREAM_ROOT": "s3://bucket/corpora/",
            "MILLSTREAM_ARCHIVES": "s3://crawl/{snapshot}/*.gz",
        }
    )
    assert site.launcher("local") == ("sh", "-c", "a b")
    assert site.launcher("spark") == ("env", "spark-submit", "--master", "spark://h:7077")
    assert site.launcher("slurm") == ("env", "srun", "--nodes", "2")
    assert site.under("demo") == "s3://bucket/corpora/demo"
    assert site.archives == "s3://crawl/{snapshot}/*.gz"


def test_no_such_program_says_what_to_set() -> None:
    site = Site.here({"MILLSTREAM_COMMAND": "/nowhere/millstream"})
    with pytest.raises(NoLauncherError, match=r"no program /nowhere/millstream here; .* set MILLSTREAM_COMMAND"):
        site.launcher("local")


def test_no_slurm_says_what_to_set() -> None:
    with pytest.raises(NoLauncherError, match=r"MILLSTREAM_SRUN is not set; .*for example: srun --nodes 2"):
        Site.here({}).launcher("slurm")
