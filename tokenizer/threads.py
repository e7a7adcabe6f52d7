"""The threads of the `tokenizers` library."""

import os


def one_thread() -> None:
    """Its threads off, unless the user has chosen: engines use processes, and forks hate threads."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
