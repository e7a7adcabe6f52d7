"""What the parity tests compare with."""

import pytest
from engine_runs import command, driven
from parity.drive import distinct
from small_run import durable


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """What one local worker makes of the shipped recipes: its durable files."""
    folder = tmp_path_factory.mktemp("reference")
    driven(command(folder, "local", 1), distinct())
    found = {name: durable(folder / name) for name in distinct()}
    assert all(sum("/data/" in path for path in files) > 6 for files in found.values())
    return found
