"""lm-evaluation-harness on local items, in an environment of its own: python harness_run.py JOB.json, see `main`."""

import json
import sys
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager


def main(job_file):
    """Of each task its metrics, and of each item the likelihoods and whether each was greedy, into job["out"]."""
    job = json.loads(Path(job_file).read_text())
    found = simple_evaluate(
        model="hf",
        model_args={"pretrained": job["model"], "dtype": "float32"} | job["options"],
        tasks=list(job["tasks"]),
        task_manager=TaskManager(include_path=job["folder"], include_defaults=False),
        device="cpu",
        batch_size=7,
        bootstrap_iters=0,
    )
    said = {
        task: {
            "metrics": {
                name.split(",")[0]: value for name, value in found["results"][task].items() if name.endswith(",none")
            },
            "items": [
                [[float(ll), str(greedy) == "True"] for ((ll, greedy),) in sample["resps"]]
                for sample in sorted(found["samples"][task], key=lambda sample: sample["doc_id"])
            ],
        }
        for task in job["tasks"]
    }
    Path(job["out"]).write_text(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1])
