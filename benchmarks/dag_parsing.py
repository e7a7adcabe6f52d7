"""How long our DAG files take to parse, beside a file of as many BashOperators written by hand.

    python benchmarks/dag_parsing.py [--rounds 7]

Each parse is a process of its own that has Airflow imported, as the processor of DAG files has when it forks; the time
is that of running the file, with all that it imports. Files are interleaved; medians.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

DAGS = Path(__file__).resolve().parents[1] / "airflow_dags" / "dags"
BY_HAND = """
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG("by_hand", schedule=None) as dag:
    tasks = [BashOperator(task_id=f"step_{n}", bash_command=f"millstream run demo --only step_{n}") for n in range(8)]
    for before, after in zip(tasks, tasks[1:]):
        before >> after
"""
TIMED = """
import runpy, sys, time
import airflow.sdk, airflow.sdk.bases.operator, airflow.sdk.exceptions
started = time.perf_counter()
runpy.run_path(sys.argv[1])
print(time.perf_counter() - started)
"""


def seconds(path: Path) -> float:
    """One parse."""
    said = subprocess.run([sys.executable, "-c", TIMED, str(path)], capture_output=True, text=True, check=True)
    return float(said.stdout.splitlines()[-1])


def main() -> None:
    """Prints a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        by_hand = Path(folder) / "by_hand.py"
        by_hand.write_text(BY_HAND)
        files = [by_hand, *sorted(path for path in DAGS.glob("*.py") if path.name != "__init__.py")]
        times: dict[str, list[float]] = {path.stem: [] for path in files}
        for _ in range(rounds):
            for path in files:
                times[path.stem].append(seconds(path))
    print(f"{'file':<14} {'median s':>9} {'least':>7} {'most':>7}")
    for name, found in times.items():
        print(f"{name:<14} {statistics.median(found):>9.3f} {min(found):>7.3f} {max(found):>7.3f}")


if __name__ == "__main__":
    main()
