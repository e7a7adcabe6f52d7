"""What numba has kept of kernels goes when any file beside them is newer."""

import os
from pathlib import Path

from corpus.html import _forget_old_kernels


def test_only_what_is_older_than_the_last_change_goes(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for path, modified in (
        (tmp_path / "layout.py", 100),
        (tmp_path / "names.py", 200),
        (cache / "layout.old.nbi", 150),
        (cache / "layout.old.1.nbc", 150),
        (cache / "layout.new.nbi", 250),
    ):
        path.touch()
        os.utime(path, (modified, modified))
    _forget_old_kernels(tmp_path)
    assert {path.name for path in cache.iterdir()} == {"layout.old.1.nbc", "layout.new.nbi"}


def test_nothing_kept_is_nothing_to_forget(tmp_path: Path) -> None:
    source = tmp_path / "layout.py"
    source.touch()
    _forget_old_kernels(tmp_path)
    assert list(tmp_path.iterdir()) == [source]
