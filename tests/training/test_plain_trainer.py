"""The module and the data in a script of one's own, with Lightning's Trainer and Lightning's checkpoints."""

import re
import warnings
from dataclasses import fields, replace
from pathlib import Path

import lightning
import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from training.config import TrainingConfig
from training.data import RowData
from training.fit import fit
from training.module import LanguageModule
from training.record import read_metrics
from training.run_config import RunConfig

pytestmark = pytest.mark.filterwarnings(
    "ignore:`isinstance", "ignore:The `srun`", "ignore:You're resuming", "ignore:Checkpoint directory"
)

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text()


class Losses(lightning.Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.seen.append(float(module.figures.loss))


def trained(config, shards, vocab, folder, steps, **fit):
    lightning.seed_everything(config.seed, verbose=False)
    data = RowData.over(config, shards, vocab, fingerprint="abc")
    losses, saved = Losses(), ModelCheckpoint(folder, every_n_train_steps=3, save_top_k=-1, save_last=True)
    trainer = lightning.Trainer(
        accelerator="cpu", max_steps=steps, max_epochs=-1, deterministic=True, callbacks=[losses, saved],
        use_distributed_sampler=False, logger=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(LanguageModule(config), data, **fit)
    return losses.seen


def test_a_plain_script_trains_and_resumes_as_fit_does(config, shards, vocab, tmp_path):
    config = replace(config, steps=9, precision="32-true")
    fit(config, shards, "abc", vocab, tmp_path / "ours")
    ours = [row["loss"] for row in read_metrics(tmp_path / "ours" / "metrics.csv")]
    whole = trained(config, shards, vocab, tmp_path / "whole", 9)
    assert whole == pytest.approx(ours, rel=1e-5)
    first = trained(config, shards, vocab, tmp_path / "parts", 6)
    rest = trained(config, shards, vocab, tmp_path / "parts", 9, ckpt_path="last", weights_only=True)
    assert first + rest == whole


def test_the_script_of_the_page_runs(config, shards, vocab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in script.splitlines() if line]) <= 12
    script = script.replace('preset("gpt2", vocab=vocab.size)', "small").replace("steps=1000", "steps=2")
    script = script.replace("lightning.Trainer(", "lightning.Trainer(logger=False, accelerator='cpu', ")
    known = {"shards": shards, "vocab": vocab, "small": config.model}
    with warnings.catch_warnings(action="ignore"):  # what Lightning would like better
        exec(script, known)
    assert known["trainer"].global_step == 2


def test_the_page_names_every_field():
    named = set(re.findall(r"`(\w+)`", PAGE)) | set(re.findall(r"(\w+)=", PAGE))
    asked = {field.name for kind in (TrainingConfig, RunConfig) for field in fields(kind)}
    assert asked - named == {"run", "objective_options"}  # said as `training.run`, and under the objectives
