"""litgpt's pretraining as its own command runs it: `litgpt.pretrain.setup` from start to end, which compiles its GPT,
splits the loss into pieces and takes fused AdamW on a GPU. Its last checkpoint is left out, and it logs once.

Decoders alone. Its GPT knows rotary positions and no learnt ones: a quarter of each head turns, as in its GPT-NeoX
configurations; all else is GPT-2's, tied output included. It begins with weights of its own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from job import Job
from litgpt import pretrain
from litgpt.args import EvalArgs, TrainArgs
from litgpt.config import Config
from litgpt.data import DataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from watch import Batch, Watch, contest

WORKERS = 4


class Rows(Dataset[Tensor]):
    """Rows of a context and one token more, which is what litgpt's loop cuts inputs and targets from."""

    def __init__(self, job: Job, part: str) -> None:
        arrays = job.examples(part)
        self.tokens, self.targets = arrays["tokens"], arrays["targets"]

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, row: int) -> Tensor:
        return self.__getitems__([row])[0]

    def __getitems__(self, rows: list[int]) -> Tensor:
        first = torch.from_numpy(self.tokens[rows].astype("int64"))
        return torch.cat([first, torch.from_numpy(self.targets[rows][:, -1:].astype("int64"))], dim=1)


class Data(DataModule):
    """The job's rows in their order."""

    def __init__(self, job: Job, watch: Watch) -> None:
        super().__init__()
        self.job, self.watch = job, watch

    def connect(self, **_: Any) -> None:
        """All that litgpt would say here, the job says."""

    def train_dataloader(self) -> Any:
        return self._loader("train")

    def val_dataloader(self) -> Any:
        return self._loader("held_out")

    def _loader(self, part: str) -> DataLoader[Tensor]:
        on_gpu = self.job.device == "cuda"
        return DataLoader(
            Rows(self.job, part),
            batch_size=self.job.rows,
            collate_fn=as_it_is,
            num_workers=WORKERS if on_gpu and part == "train" else 0,
            pin_memory=on_gpu,
        )


def as_it_is(batch: Tensor) -> Tensor:
    """Rows come as a batch."""
    return batch


def train(job: Job, watch: Watch) -> None:
    spec = job.spec
    config = Config(
        name="gpt2", block_size=spec["context"], n_layer=spec["layers"], n_embd=spec["width"], n_head=spec["heads"],
        intermediate_size=spec["ffn"], vocab_size=spec["vocab"], padded_vocab_size=spec["vocab"],
        norm_eps=spec["norm_eps"], parallel_residual=False, bias=True, gelu_approximate="tanh", rotary_percentage=0.25,
    )  # fmt: skip
    fit = pretrain.fit

    def watched(*, state: Mapping[str, Any], train_dataloader: Any, **rest: Any) -> None:
        module = state["model"].module

        def logits(batch: Batch) -> Tensor:
            found: Tensor = module(batch["tokens"])
            return found

        watch.begin(module, logits)
        fit(state=state, train_dataloader=Waited(train_dataloader, watch), **rest)

    pretrain.fit = watched
    pretrain.save_checkpoint = lambda *_: None
    moves = {"lr": job.learning_rate, "weight_decay": job.weight_decay, "betas": list(job.betas), "eps": job.eps}
    pretrain.setup(
        model_name="gpt2",
        model_config=config,
        out_dir=Path(job.folder) / "litgpt_out",
        precision=job.precision,
        data=Data(job, watch),
        train=TrainArgs(
            save_interval=None,
            log_interval=job.all_steps,
            global_batch_size=job.rows,
            micro_batch_size=job.rows,
            lr_warmup_steps=job.rate_warm_up,
            max_tokens=job.all_steps * job.rows * spec["context"],
            max_norm=job.clip_norm,
            min_lr=job.learning_rate,
            tie_embeddings=True,
        ),
        eval=EvalArgs(interval=10 * job.all_steps, max_iters=1, final_validation=False),
        optimizer={"class_path": "torch.optim.AdamW", "init_args": moves},
        devices=1,
        logger_name="csv",
        seed=job.seed,
    )


class Waited:
    """A loader, with a clock around the waiting for it."""

    def __init__(self, loader: Any, watch: Watch) -> None:
        self.loader, self.watch = loader, watch

    def __iter__(self) -> Any:
        return self.watch.each(self.loader)


if __name__ == "__main__":
    contest(train, "litgpt.pretrain.setup: compiled, its own loss in pieces, AdamW (fused on a GPU), logs once")
