"""What comparing a snapshot with earlier ones adds to its own deduplication, on the local engine with one worker.

    python benchmarks/earlier_snapshots.py [DOCUMENTS] [--rounds 3]

Made-up documents (planted_pages.py) are dealt at random into a snapshot and an earlier one, half each. Jobs are
interleaved; medians of CPU seconds, and the most memory and scratch.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from statistics import median

from near_dedup_job import Meter
from planted_pages import write_pages

from corpus.canonical import fingerprint
from corpus.flows import buckets_for, exact_dedup, near_dedup, stored, unseen
from corpus.lease import Lease
from corpus.plan import Plan, described
from corpus.schema import DOCUMENT
from corpus.shards import ShardWriter
from corpus.stages.keys import BandKeys, ExactKey
from corpus.storage import Folder
from corpus.text.minhash import MinHash
from pipelines.engines.engine import Circumstances, StoredFile, StoredShard
from pipelines.session import ENGINES

JOBS = ("own", "own + seen_text", "own + seen_text + seen_near")


def plan_of(job: str, n_pages: int, n_earlier: int) -> Plan:
    """Exact and near-duplicates inside the snapshot, then what the job compares with the earlier one."""
    minhash, both = MinHash(), n_pages + n_earlier
    earlier = {"earlier": stored("earlier", DOCUMENT)}
    plan = exact_dedup(stored("pages", DOCUMENT), buckets_for(n_pages))
    plan = near_dedup(plan, minhash, buckets_for(n_pages * minhash.bands))
    if "seen_text" in job:
        plan = unseen(plan, earlier, ExactKey(), "seen_text", buckets_for(both))
    if "seen_near" in job:
        plan = unseen(plan, earlier, BandKeys(minhash=minhash), "seen_near", buckets_for(both * minhash.bands))
    return plan


def run(
    job: str, pages: Sequence[StoredFile], earlier: Sequence[StoredFile], place: Path
) -> tuple[float, int, int, int]:
    """CPU seconds, bytes of memory, bytes of scratch, documents kept."""
    plan = plan_of(job, sum(file.rows for file in pages), sum(file.rows for file in earlier))
    folder, scratch = Folder(str(place / "corpus")), place / "scratch"
    writer = ShardWriter(folder, fingerprint(described(plan)), Lease.take(folder / "run"))
    inputs = {
        name: [StoredShard(file.number, (file,)) for file in files]
        for name, files in {"pages": pages, "earlier": earlier}.items()
    }
    meter = Meter((scratch,))
    with import_module(ENGINES["local"]).opened(Circumstances(1, [], scratch, print)) as opened:
        shards = opened.run(plan, inputs, writer, meter)
        usage = opened.usage
    tallies = [tally for record in writer.records(shards) for tally in record.tally]
    kept = sum(tally.documents for tally in tallies if tally.drop_reason is None)
    return usage.cpu_seconds, usage.peak_rss, meter.scratch_bytes, kept


def main() -> None:
    """Prints a line for each job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "documents", nargs="?", type=int, default=100_000, help="in the snapshot, and in the earlier one"
    )
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found: dict[str, list[tuple[float, int, int, int]]] = {job: [] for job in JOBS}
    with tempfile.TemporaryDirectory() as place:
        listed = json.loads(write_pages(Path(place) / "documents", 2 * asked.documents, 5_000).read_text())
        files = [StoredFile(**file) for file in listed]
        random.Random(17).shuffle(files)
        pages, earlier = files[: len(files) // 2], files[len(files) // 2 :]
        for number in range(asked.rounds):
            for job in JOBS:
                found[job].append(run(job, pages, earlier, Path(place) / f"{number}" / job.replace(" ", "")))
    print(f"{'job':<28} {'CPU s':>7} {'us a page more':>15} {'memory MB':>10} {'scratch MB':>11} {'kept':>9}")
    base = median(cpu for cpu, *_ in found["own"])
    for job, runs in found.items():
        cpu = median(cpu for cpu, *_ in runs)
        memory, scratch = (max(one[at] for one in runs) / 1e6 for at in (1, 2))
        more = (cpu - base) / asked.documents * 1e6
        print(f"{job:<28} {cpu:>7.2f} {more:>15.0f} {memory:>10.0f} {scratch:>11.0f} {runs[0][3]:>9,}")


if __name__ == "__main__":
    main()
