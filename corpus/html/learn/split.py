"""Which pages are trained on and which are set aside, by their hosts alone: no site is on both sides.

The order of pages, their number and the sets that they come from change nothing.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from corpus.errors import ConfigError
from corpus.text.url import domain

ASIDE_SHARE = 0.15
"""Of the sites outside the list. Ours."""
FOLDS = 5


def part(host: str, held_out: Collection[str]) -> Literal["aside", "train"]:
    """ "aside": never trained on nor looked at, and what is reported is measured there; "train" otherwise.

    `held_out` as `held_out_hosts` gives it. Hosts under one registered domain are on one side.
    """
    site = _site(host)
    return "aside" if site in held_out or _uniform(f"aside {site}") < ASIDE_SHARE else "train"


def fold(host: str) -> int:
    """The fold of cross-validation, 0 to 4, the same for all hosts under one registered domain."""
    return int(FOLDS * _uniform(f"fold {_site(host)}"))


def held_out_hosts(path: Path) -> frozenset[str]:
    """The registered domains of the listed hosts, one a line: a listed host covers all that is run beside it.

    # docs.python.org -> python.org
    """
    try:
        lines = path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such list of held-out hosts; write one host a line, or none") from None
    return frozenset(map(_site, lines))


def _site(host: str) -> str:
    """The registered domain; a placeholder ("unknown:...") stays as it is."""
    return host if ":" in host else domain(f"http://{host}")


def _uniform(key: str) -> float:
    """A number in [0, 1) that depends on the key alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48
