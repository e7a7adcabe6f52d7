"""From the bytes of a page to its text.

Kernels are compiled once and kept beside their file, and numba compiles one again when that file is another. But a
kernel holds what it calls, and numbers, from other files here: what was compiled before the last change to any of them
is deleted as the package is imported.
"""

from contextlib import suppress
from pathlib import Path


def _forget_old_kernels(folder: Path) -> None:
    changed = max(path.stat().st_mtime_ns for path in folder.glob("*.py"))
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(OSError):  # another process was quicker, or nothing here may be changed
            if index.stat().st_mtime_ns < changed:
                index.unlink()


_forget_old_kernels(Path(__file__).parent)
