"""How fast at each step, as a share of the peak: a pure function of the step's number, so nothing to save."""

import math

from training.config import TrainingConfig


def rate_share(step: int, config: TrainingConfig) -> float:
    """The share of the peak rate, above 0 to 1, at a step counted from 0.

    A line up over the warm-up, to 1 in its last step; then

    - "cosine" (Loshchilov and Hutter 2017, equation 5) or "linear" (fairseq, polynomial_decay_schedule.py, RoBERTa's;
      BERT's line begins at step 0 and crosses the warm-up below the peak), towards `floor_share` after the last step;
    - "wsd": level, and over the last `decay_share` a line towards 0 (Hu et al. 2024, MiniCPM, section 4, whose fall is
      exponential; a line, as in Hägele et al. 2024, needs no time constant);
    - "constant": level.

    "inverse_sqrt" is T5's (mesh_tensorflow, learning_rate_schedules.py, learning_rate_schedule_noam): level in the
    warm-up of k steps, then sqrt(k / step). A peak of 0.01 and k = 10,000 make Raffel et al. 2020, section 3.1.2.
    """
    warmup = config.warmup
    if step < warmup:
        return 1.0 if config.schedule == "inverse_sqrt" else (step + 1) / warmup
    left = (config.steps - step) / max(1, config.steps - warmup)  # 1 down to 0 since the warm-up
    match config.schedule:
        case "cosine":
            return _above(config.floor_share, 0.5 - 0.5 * math.cos(math.pi * left))
        case "linear":
            return _above(config.floor_share, left)
        case "wsd":
            return min(1.0, (config.steps - step) / max(1, round(config.decay_share * config.steps)))
        case "inverse_sqrt":
            return math.sqrt(max(1, warmup) / max(1, step))
        case "constant":
            return 1.0


def _above(floor: float, share: float) -> float:
    return floor + (1 - floor) * share
