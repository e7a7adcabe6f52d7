"""What Spark's event log says that a job's tasks wrote."""

import json
from dataclasses import dataclass
from pathlib import Path

TASK_END = '{"Event":"SparkListenerTaskEnd"'


@dataclass(frozen=True)
class Written:
    """Bytes that tasks wrote for a shuffle, and bytes that they put on the disk for want of memory; their number."""

    shuffle_bytes: int
    spill_bytes: int
    n_tasks: int


def settings(folder: Path) -> list[str]:
    """Settings with which Spark keeps its log there."""
    return ["spark.eventLog.enabled=true", f"spark.eventLog.dir={folder.as_uri()}", "spark.eventLog.compress=false"]


def written(folder: Path) -> Written:
    """The sums over all tasks, failed ones too, of every log in the folder."""
    shuffled = spilled = n_tasks = 0
    for path in (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", "appstatus"))):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith(TASK_END):
                    metrics = json.loads(line).get("Task Metrics") or {}
                    shuffled += metrics.get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
                    spilled += metrics.get("Disk Bytes Spilled", 0)
                    n_tasks += 1
    return Written(shuffled, spilled, n_tasks)
