"""Fixtures that every test may use."""

from pathlib import Path

import pytest
from hypothesis import settings
from small_run import Finished, outside, write_input

settings.register_profile("busy", deadline=None)  # a machine that does other work too changes no result
settings.load_profile("busy")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it are skipped where it is not."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the real data beside the checkout (shared/data) is not here")
    return path


@pytest.fixture(scope="session")
def sample() -> Path:
    """The archive of real pages that ships with the project."""
    (path,) = (ROOT / "samples" / "web").glob("*.warc.gz")
    return path


@pytest.fixture(scope="session")
def finished(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The whole line over a small archive, from records to a model of a few steps; nobody changes it."""
    folder = tmp_path_factory.mktemp("finished")
    recipe, root = write_input(folder, sample), folder / "root"
    done = outside("run", recipe, "--root", root, "--workers", 2)
    assert done.returncode == 0, done.stderr
    return Finished(recipe, root, done.stdout)
