"""A finished ablation of three architectures, which several modules look at."""

from pathlib import Path

import pytest
from small_ablation import MODELS, TUNING, Small, recipe, write_world, written


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive, sets and a neutral text; nobody changes them."""
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def ablated(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The whole ablation, built by one worker; nobody changes it."""
    folder = tmp_path_factory.mktemp("ablated")
    data = recipe(world, models=MODELS, finetuning=TUNING)
    return Small(written(folder, data), folder / "root").done()
