"""Lightning and torch without what they say of themselves; warnings that somebody could act on stay."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

KNOWN = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 inside, for torch 2.13
    "The `srun` command is available",  # where Slurm is installed, a run outside of it is no mistake
    "torch.distributed is disabled, unavailable or uninitialized",  # a checkpoint of one process is meant to be one
)
"""How the third-party warnings begin that nothing here can mend."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without Lightning's notes on devices, tips and limits, and without the warnings of KNOWN."""
    talkers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [talker.level for talker in talkers]
    for talker in talkers:
        talker.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in KNOWN:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for talker, level in zip(talkers, levels, strict=True):
            talker.setLevel(level)
