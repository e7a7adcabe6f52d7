"""What Spark costs beside the local engine on one machine, and how near-deduplication grows on both.

    python benchmarks/engines.py --part engines --every 1 --repeat 4 --rounds 5 [--cluster]
    python benchmarks/engines.py --part growth --sizes 10000 100000 1000000

`--part engines`: archives of real pages (or the sample that ships) through the whole corpus part, by turns on each
engine with one worker and with two. The command line is timed as a whole; "start-up" is the same command once more,
when everything is done: imports, Java, the session, the report. All sides must write the same manifests (same_job.py).

`--part growth`: stored documents made up with planted near-duplicates, through near_dedup. See growth.py.

CPU seconds are those of all processes. "Memory of all" counts a page that processes share once; the columns beside it
are the most that one process had resident.
"""

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import growth
import same_job
from corpus_vs_datatrove import DATA, processor


def head() -> str:
    """Date, machine, versions and the command line, for a results page."""
    machine = f"{processor()}, {len(os.sched_getaffinity(0))} cores"
    versions = f"Python {platform.python_version()}, pyspark {version('pyspark')}"
    command = " ".join([f"python benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {versions}\n`{command}`"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("engines", "growth"), required=True)
    parser.add_argument("--rounds", type=int, default=3)
    job = parser.add_argument_group("--part engines")
    job.add_argument("--pages", type=Path, default=DATA, help="a folder of SOURCE/pages.warc.gz; else the sample")
    job.add_argument("--every", type=int, default=6, help="take each N-th page of a source; 1 takes all")
    job.add_argument("--repeat", type=int, default=1, help="take them N times, under other URLs")
    job.add_argument("--shards", type=int, default=16)
    job.add_argument("--cluster", action="store_true", help="also on a standalone cluster on this machine")
    sizes = parser.add_argument_group("--part growth")
    sizes.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="documents")
    sizes.add_argument("--shard-rows", type=int, default=5_000)
    sizes.add_argument("--engine-set", action="append", default=[], help="a setting for Spark")
    asked = parser.parse_args()
    if asked.part == "engines":
        what, n_documents, costs = same_job.measured(
            asked.pages, asked.every, asked.repeat, asked.shards, asked.rounds, asked.cluster
        )
        text = f"{what}; medians of {asked.rounds} interleaved rounds\n\n{same_job.table(n_documents, costs)}"
    else:
        text = growth.table(growth.measured(asked.sizes, asked.shard_rows, asked.rounds, asked.engine_set))
    print(f"{head()}\n{text}")


if __name__ == "__main__":
    main()
