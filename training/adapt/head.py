"""A linear layer that answers a task. Legend: B batch, D width, L labels."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.evaluation.items import FineTask

INIT_STD = 0.02  # google-research/bert, run_classifier.py, create_model; openai/finetune-transformer-lm, train.py, clf


class Head(nn.Module):
    """A logit for each label, or one score; in float32, for bfloat16 would tell a score to three digits."""

    def __init__(self, width: int, task: FineTask) -> None:
        super().__init__()
        self.scores = not task.labels
        self.out = new_layer(width, len(task.labels) or 1)

    def forward(self, hidden_BD: Tensor) -> Tensor:
        """logits_BL"""
        with torch.autocast(hidden_BD.device.type, enabled=False):
            logits_BL: Tensor = self.out(hidden_BD.float())
        return logits_BL

    def loss(self, logits_BL: Tensor, labels_B: Tensor) -> Tensor:
        """Cross-entropy; of scores, the mean squared error."""
        if self.scores:
            return functional.mse_loss(logits_BL[:, 0], labels_B)
        return functional.cross_entropy(logits_BL, labels_B)

    def answers(self, logits_BL: Tensor) -> list[int] | list[float]:
        """The number of the largest logit, or the score."""
        answers: list[int] | list[float] = (logits_BL[:, 0] if self.scores else logits_BL.argmax(dim=1)).tolist()
        return answers


def new_layer(inputs: int, outputs: int) -> nn.Linear:
    """Small normal weights, no bias to begin with."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=INIT_STD)
    nn.init.zeros_(layer.bias)
    return layer
