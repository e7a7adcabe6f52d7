"""near_dedup over stored documents on one engine; writes what it took, by its own account, as JSON.

    python benchmarks/near_dedup_job.py FILES.json FOLDER OUT.json ENGINE WORKERS [SETTING ...]

`FILES.json` lists the documents (planted_pages.py). The result is a corpus in FOLDER/corpus.
"""

import json
import sys
import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from corpus.canonical import fingerprint
from corpus.flows import buckets_for, near_dedup, stored
from corpus.lease import Lease
from corpus.plan import described
from corpus.schema import DOCUMENT
from corpus.shards import ShardWriter
from corpus.storage import Folder
from corpus.text.minhash import MinHash
from pipelines.engines.engine import Circumstances, StoredFile, StoredShard
from pipelines.session import ENGINES

LOOK_SECONDS = 0.5


@dataclass
class Meter:
    """Hears of progress; keeps the most bytes that lay between phases, and how often the components' edges were gone
    through (0 where an engine does not say)."""

    folders: tuple[Path, ...]
    scratch_bytes: int = 0
    rounds: int = 0
    looked: float = field(default=0.0, repr=False)

    def __call__(self, phase: str, done: int, total: int, units: int, unit: str = "documents", note: str = "") -> None:
        if unit == "edges":
            self.rounds = max(self.rounds, done)
        if done == total or time.monotonic() - self.looked > LOOK_SECONDS:
            self.scratch_bytes = max(self.scratch_bytes, sum(map(_size, self.folders)))
            self.looked = time.monotonic()


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # a staged file that has its name by now
            continue
    return total


def main() -> None:
    listed, place, out, engine, workers, *settings = sys.argv[1:]
    files = [StoredFile(**file) for file in json.loads(Path(listed).read_text())]
    minhash = MinHash()
    plan = near_dedup(stored("pages", DOCUMENT), minhash, buckets_for(sum(file.rows for file in files) * minhash.bands))
    folder = Folder(place) / "corpus"
    writer = ShardWriter(folder, fingerprint(described(plan)), Lease.take(folder / "run"))
    inputs = {"pages": [StoredShard(file.number, (file,)) for file in files]}
    scratch = Path(place) / "scratch"
    meter = Meter((scratch, Path(place) / "corpus" / "run"))
    started = time.monotonic()
    with import_module(ENGINES[engine]).opened(Circumstances(int(workers), settings, scratch, print)) as opened:
        ready = time.monotonic()
        shards = opened.run(plan, inputs, writer, meter)
        ended = time.monotonic()
    tallies = [tally for record in writer.records(shards) for tally in record.tally]
    kept = sum(tally.documents for tally in tallies if tally.drop_reason is None)
    told = {"opened": ready - started, "ran": ended - ready, "kept": kept}
    told |= {"scratch_bytes": meter.scratch_bytes, "rounds": meter.rounds}
    Path(out).write_text(json.dumps(told))


if __name__ == "__main__":
    main()
