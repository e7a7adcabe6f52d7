"""Where things are at the place that Airflow runs at, as environment variables say it; in brackets what holds without.

MILLSTREAM_COMMAND        what starts millstream in the project's environment (the one beside this Python, or on PATH)
MILLSTREAM_ROOT           the folder or URL of all that is built (AIRFLOW_HOME/runs)
MILLSTREAM_ARCHIVES       the archives of a snapshot (AIRFLOW_HOME/crawl/{snapshot}/*.warc.gz)
MILLSTREAM_SPARK_SUBMIT   what a build on Spark begins with (MILLSTREAM_COMMAND, for Spark on one machine)
MILLSTREAM_SRUN           what a training on Slurm begins with (nothing: there is no Slurm)
"""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLES = {"local": "MILLSTREAM_COMMAND", "spark": "MILLSTREAM_SPARK_SUBMIT", "slurm": "MILLSTREAM_SRUN"}
BIN = "/opt/millstream/bin"
EXAMPLES = {
    "local": f"{BIN}/millstream",
    "spark": f"env PYSPARK_PYTHON={BIN}/python {BIN}/spark-submit --master spark://host:7077 .../pipelines/__main__.py",
    "slurm": f"srun --nodes 2 --ntasks-per-node 8 {BIN}/millstream",
}


class NoLauncherError(RuntimeError):
    """There is no way here to start what was asked for."""


@dataclass(frozen=True)
class Site:
    """One place. `launchers` are the words that a command line begins with: local, spark, slurm."""

    launchers: Mapping[str, tuple[str, ...]]
    root: str
    archives: str

    @staticmethod
    def here(environment: Mapping[str, str] = os.environ) -> "Site":
        """The place that the environment describes."""
        home = Path(environment.get("AIRFLOW_HOME", "~/airflow")).expanduser().absolute()
        given = {name: tuple(shlex.split(environment.get(variable, ""))) for name, variable in VARIABLES.items()}
        local = given["local"] or (_beside_this_python(),)
        return Site(
            launchers={**given, "local": local, "spark": given["spark"] or local},
            root=environment.get("MILLSTREAM_ROOT") or str(home / "runs"),
            archives=environment.get("MILLSTREAM_ARCHIVES") or str(home / "crawl" / "{snapshot}" / "*.warc.gz"),
        )

    def launcher(self, name: str) -> tuple[str, ...]:
        """The words to begin with; NoLauncherError where there are none, or no such program."""
        words, variable = self.launchers[name], VARIABLES[name]
        if not words:
            raise NoLauncherError(
                f"{variable} is not set; give Airflow's workers the words that start a job, for example: "
                f"{EXAMPLES[name]}"
            )
        if shutil.which(words[0]) is None:
            raise NoLauncherError(
                f"there is no program {words[0]} here; install it, or set {variable} for Airflow's workers, for "
                f"example: {EXAMPLES[name]}"
            )
        return words

    def under(self, name: str) -> str:
        """A folder under the root."""
        return f"{self.root.rstrip('/')}/{name}"


def _beside_this_python() -> str:
    beside = Path(sys.executable).parent / "millstream"
    return str(beside) if beside.is_file() else "millstream"
