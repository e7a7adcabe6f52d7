"""A worker that is not like the driver is refused before work, by name; nothing is written."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from on_spark import OnSpark, one_line


def no_model(spark: OnSpark) -> str:
    spark.copy_packages()
    file = spark.unlike / "corpus" / "data" / "lid.176.ftz"
    file.unlink()
    return rf'resource "lid176" cannot be read: {file}: No such file or directory; .+'


def other_versions(spark: OnSpark) -> str:
    """Of our own code, and of a library, as its installed distribution tells."""
    spark.copy_packages()
    with (spark.unlike / "corpus" / "stages" / "warc.py").open("a") as file:
        file.write("\n# a later thought\n")
    place = spark.unlike / "isal-0.0.7.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: isal\nVersion: 0.0.7\n")
    ours = r"has millstream [\d.]+, source (\w+), the driver [\d.]+, source (?!\1)\w+"
    return rf"{ours}; isal 0\.0\.7, the driver {re.escape(version('isal'))}; install the same on both.+"


@pytest.mark.parametrize("change", [no_model, other_versions])
def test_refused_before_work(change: Callable[[OnSpark], str], spark: OnSpark, tmp_path: Path) -> None:
    objection = change(spark)
    done = spark.run(tmp_path / "root")
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(rf"millstream: host \S+?:? {objection}", one_line(done)), done.stderr
    assert not [*tmp_path.glob("root/corpus/*/dev/data"), *tmp_path.glob("root/corpus/*/dev/commits")]


@pytest.mark.slow
def test_a_python_without_libraries(spark: OnSpark, tmp_path: Path) -> None:
    """Found out before anything of ours is imported there; the other worker is not asked to do its work."""
    system = shutil.which("python3", path="/usr/bin")
    if system is None or version_of(system) != version_of(sys.executable):
        pytest.skip(f"no other Python {version_of(sys.executable)} in /usr/bin")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$WORKER" = 1 ] && exec {system} "$@"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = spark.run(tmp_path / "root", settings=[f"spark.pyspark.python={python}"])
    assert done.returncode == 2, done.stderr
    assert f": {system} cannot import millstream: No module named" in one_line(done)


def version_of(python: str) -> str:
    ask = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
