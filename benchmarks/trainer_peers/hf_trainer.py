"""Hugging Face's Trainer, set as its documentation advises for speed (transformers, "GPU" under training, and Trainer):
bf16, torch_compile, SDPA attention, fused AdamW, pinned memory and loader workers on a GPU, nothing evaluated, saved or
reported, and no look at each step for losses that are no numbers. Rows come from a map-style dataset that gives a batch
at once, with their noise drawn beforehand, which our trainer draws as it goes.

Its models make logits at every position, in float32 where it is mixed precision; it has no setting for that.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from job import Job
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset, SequentialSampler
from transformers import BertForMaskedLM, GPT2LMHeadModel, T5ForConditionalGeneration, Trainer, TrainingArguments
from transformers.utils import logging
from watch import Batch, Watch, contest

CLASSES = {"gpt2": GPT2LMHeadModel, "bert": BertForMaskedLM, "t5": T5ForConditionalGeneration}
NAMES = {
    "gpt2": {"tokens": "input_ids", "targets": "labels"},
    "bert": {"tokens": "input_ids", "targets": "labels"},
    "t5": {"inputs": "input_ids", "tokens": "decoder_input_ids", "targets": "labels"},
}
WORKERS = 4


class Rows(Dataset[dict[str, Tensor]]):
    """The job's examples in their order, in the names of transformers."""

    def __init__(self, job: Job) -> None:
        self.arrays = {theirs: job.examples("train")[ours] for ours, theirs in NAMES[job.family].items()}
        if job.family == "gpt2":  # else the model would take tokens for labels one place further on
            self.arrays["shift_labels"] = self.arrays["labels"]

    def __len__(self) -> int:
        return len(self.arrays["labels"])

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {name: rows[0] for name, rows in self.__getitems__([row]).items()}

    def __getitems__(self, rows: Sequence[int]) -> dict[str, Tensor]:
        return {name: torch.from_numpy(array[rows].astype("int64")) for name, array in self.arrays.items()}


class Watched(Trainer):
    """Trainer, with a clock around its waiting for batches, everybody's order of rows, and everybody's rates: its own
    warm-up begins with 0."""

    watch: Watch

    def get_batch_samples(self, *arguments: Any) -> Any:
        with self.watch.waiting():
            return super().get_batch_samples(*arguments)

    def _get_train_sampler(self, *_: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, self.watch.job.rate_share)
        return self.lr_scheduler


def as_it_is(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rows come as a batch."""
    return batch


def train(job: Job, watch: Watch) -> None:
    logging.set_verbosity_error()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    model = CLASSES[job.family].from_pretrained(job.folder / "hf", attn_implementation="sdpa", local_files_only=True)
    model.config.use_cache = False
    model.to(job.device)
    arguments = TrainingArguments(
        output_dir=str(Path(job.folder) / "hf_out"),
        max_steps=job.all_steps,
        per_device_train_batch_size=job.rows,
        use_cpu=job.device == "cpu",
        bf16=job.autocast,
        torch_compile=job.compile,
        optim="adamw_torch_fused",
        learning_rate=job.learning_rate,
        weight_decay=job.weight_decay,
        adam_beta1=job.betas[0],
        adam_beta2=job.betas[1],
        adam_epsilon=job.eps,
        max_grad_norm=job.clip_norm,
        seed=job.seed,
        dataloader_num_workers=WORKERS if job.device == "cuda" else 0,
        dataloader_pin_memory=job.device == "cuda",
        remove_unused_columns=False,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Watched(model=model, args=arguments, train_dataset=Rows(job), data_collator=as_it_is)
    trainer.watch = watch
    names = {ours: theirs for ours, theirs in NAMES[job.family].items() if ours != "targets"}

    def logits(batch: Batch) -> Tensor:
        found: Tensor = model(**{theirs: batch[ours] for ours, theirs in names.items()}).logits
        return found

    watch.begin(model, logits)
    trainer.train()


if __name__ == "__main__":
    contest(train, "torch_compile, SDPA, adamw_torch_fused, 4 loader workers on a GPU, nothing logged or saved")
