"""datatrove's FineWeb-style chain over a folder of web archives; writes CPU seconds and documents by step as JSON.

    .venv-datatrove/bin/python benchmarks/datatrove_chain.py ARCHIVES WORK LID_MODEL OUT.json [--shared] [--language en]

The chain is that of datatrove's own example (examples/fineweb.py in its repository, and the FineWeb paper,
https://arxiv.org/abs/2406.17557): the same steps with the same settings, on its local executor with one task and one
worker. `--shared` leaves out what millstream has no stage for (Gopher repetition and quality, FineWeb quality) and lets
the C4 filter ask for terminal punctuation, as C4 does and FineWeb does not.

What differs from the example, each in the peer's favour or needed to run it:
- no URL filter, no token counter, no writers of rejects: they are left out, so they cost it nothing;
- the extractor may take 30 s a page instead of 1, by the wall clock: on a busy machine pages would be lost;
- the language model is the file given (lid.176.ftz, the compressed one): lid.176.bin would be fetched from the network.
"""

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cpu_clock import CpuClock

START, BETWEEN = "start-up", "engine, manifests, logs"
ROWS = {
    "WarcReader": "read WARC",
    "Trafilatura": "extract",
    "LanguageFilter": "language",
    "GopherRepetitionFilter": "Gopher repetition",
    "GopherQualityFilter": "Gopher quality",
    "C4QualityFilter": "C4",
    "FineWebQualityFilter": "FineWeb quality",
    "JsonlWriter": "write and read between steps",
    "JsonlReader": "write and read between steps",
    "MinhashDedupSignature": "MinHash signatures",
    "MinhashDedupBuckets": "join duplicates",
    "MinhashDedupCluster": "join duplicates",
    "MinhashDedupFilter": "join duplicates",
}


def clocked(clock: CpuClock, n_out: Counter[str]) -> None:
    """Makes every datatrove step charge its time, and count the documents that leave it."""
    from datatrove.pipeline.base import PipelineStep

    def call(self: Any, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Any] | None:
        step = type(self).__name__
        made = clock.call(ROWS[step], self.run, data, rank, world_size)  # signatures and joins do all their work here
        return None if made is None else counted(step, clock.each(ROWS[step], made))

    def counted(step: str, documents: Iterator[Any]) -> Iterator[Any]:
        for document in documents:
            n_out[step] += 1
            yield document

    PipelineStep.__call__ = call


def filters(shared: bool, language: str | None) -> list[Any]:
    """The judges, in the example's order."""
    from datatrove.pipeline import filters as f

    speaks = f.LanguageFilter(languages=language)
    if shared:
        return [speaks, f.C4QualityFilter()]
    c4 = f.C4QualityFilter(filter_no_terminal_punct=False)
    return [speaks, f.GopherRepetitionFilter(), f.GopherQualityFilter(), c4, f.FineWebQualityFilter()]


def run_chain(archives: str, work: str, shared: bool, language: str | None) -> None:
    """The five jobs of the example, one after the other."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import dedup, extractors, readers, writers

    config = dedup.minhash.MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    stages = {name: f"{work}/{name}" for name in ("pages", "signatures", "buckets", "remove", "deduped")}

    def job(name: str, *pipeline: Any, tasks: int = 1) -> None:
        LocalPipelineExecutor(list(pipeline), tasks=tasks, workers=1, logging_dir=f"{work}/logs/{name}").run()

    job(
        "pages",
        readers.WarcReader(archives, glob_pattern="*.warc.gz"),
        extractors.Trafilatura(favour_precision=True, timeout=30),
        *filters(shared, language),
        writers.JsonlWriter(stages["pages"]),
    )
    job(
        "signatures",
        readers.JsonlReader(stages["pages"]),
        dedup.MinhashDedupSignature(output_folder=stages["signatures"], config=config),
    )
    job(
        "buckets",
        dedup.MinhashDedupBuckets(stages["signatures"], stages["buckets"], config=config),
        tasks=config.num_buckets,
    )
    job("cluster", dedup.MinhashDedupCluster(stages["buckets"], stages["remove"], config=config))
    job(
        "deduped",
        readers.JsonlReader(stages["pages"]),
        dedup.MinhashDedupFilter(stages["remove"]),
        writers.JsonlWriter(stages["deduped"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("archives", "work", "lid_model", "out"):
        parser.add_argument(name)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--language")
    asked = parser.parse_args()
    os.environ["HF_ASSETS_CACHE"] = f"{asked.work}/assets"  # read when huggingface_hub is imported
    clock = CpuClock([START, BETWEEN, *dict.fromkeys(ROWS.values())])
    n_out: Counter[str] = Counter()
    clocked(clock, n_out)
    from datatrove.utils.lid import FT176LID

    FT176LID.MODEL_URL = asked.lid_model
    clock.call(BETWEEN, run_chain, asked.archives, asked.work, asked.shared, asked.language)
    documents = {ROWS[step]: n for step, n in n_out.items() if not step.startswith("Jsonl")}
    documents["join duplicates"] = n_out["MinhashDedupFilter"]
    seconds = {row: spent for row, spent in clock.seconds().items() if spent}
    Path(asked.out).write_text(json.dumps({"seconds": seconds, "documents": documents}))


if __name__ == "__main__":
    main()
