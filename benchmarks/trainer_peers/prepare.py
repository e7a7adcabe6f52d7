"""Makes a job's folder: tokens, the same rows as examples, the weights that all begin with, and the job's facts.

python benchmarks/trainer_peers/prepare.py FOLDER   (which has the job.json)
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from job import Job, cores
from made_text import documents
from our_side import config_of, data_of, specials
from safetensors.torch import save_model

from corpus.storage import Folder
from tokenizer.shard import write_shard
from training import interop, models
from training.config import TrainingConfig
from training.flops import row_flops
from training.objective import IGNORED

MARGIN = 1.2  # T5 makes 512 inputs of 568 tokens; and a row more or less


def tokens(job: Job, part: str, number: int, steps: int) -> None:
    """Writes a shard of enough documents for so many steps."""
    vocab = job.spec["vocab"]
    known = specials(job.family, vocab)
    ordinary = np.delete(np.arange(vocab), sorted(known.ids))
    made = documents(int(steps * job.rows * job.spec["context"] * MARGIN) + 2000, ordinary, job.seed, number)
    origins = pa.RecordBatch.from_pydict({"id": [f"{part}-{n}" for n in range(len(made))]})
    (job.folder / part).mkdir()
    write_shard(Folder(str(job.folder / part)), 0, [(origins, made)], vocab_size=vocab, eod_id=known.eod)


def examples(job: Job, config: TrainingConfig, source: str, part: str, steps: int) -> int:
    """Writes what our data module draws in so many steps, a file a feature; how many targets they have."""
    data = data_of(job, config, source)
    (job.folder / part).mkdir()
    files: dict[str, np.ndarray] = {}
    n_targets = 0
    for step in range(steps):
        drawn = data.batch(data.samples(step))
        batch = {name: drawn[name].numpy() for name in ("inputs", "tokens", "targets") if name in drawn}
        for name, rows in batch.items():
            if name not in files:
                shape, path = (steps * job.rows, rows.shape[1]), job.folder / part / f"{name}.npy"
                files[name] = np.lib.format.open_memmap(path, "w+", np.int32, shape)
            files[name][step * job.rows : (step + 1) * job.rows] = rows
        n_targets += int((batch["targets"] != IGNORED).sum())
    for file in files.values():
        file.flush()
    return n_targets


def main() -> None:
    job = Job.read(Path(sys.argv[1]))
    config = config_of(job)
    tokens(job, "tokens", 0, job.all_steps)
    tokens(job, "held_tokens", 1, job.held_out_batches)
    n_targets = examples(job, config, "tokens", "train", job.all_steps)
    examples(job, config, "held_tokens", "held_out", job.held_out_batches)
    torch.manual_seed(job.seed)
    model = models.build(config.model)
    save_model(model, str(job.folder / "start.safetensors"))
    interop.export(model, job.folder / "hf")
    features = config.task(specials(job.family, config.model.vocab)).features(config.model.context)
    rows = job.all_steps * job.rows
    facts = {
        "parameters": config.model.n_params(),
        "flops": job.rows * row_flops(config.model, features, n_targets / rows),  # of a step
        "tokens": job.rows * sum(features[name].length for name in ("inputs_I", "tokens_T") if name in features),
        "targets": n_targets // job.all_steps,
        "device": torch.cuda.get_device_name() if job.device == "cuda" else f"{cores()} cores",
    }
    replace(job, facts=facts).write()


if __name__ == "__main__":
    main()
