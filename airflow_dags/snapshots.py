"""A crawl, snapshot after snapshot: each is a released version of one recipe, compared with the versions before it."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypedDict

import fsspec

from corpus.errors import ConfigError
from pipelines.names import DEDUPED
from pipelines.sections import Sourced
from pipelines.wording import listed


class Snapshot(TypedDict):
    """A version with what is set over the recipe for it."""

    version: str
    archives: str
    against: str


def snapshots(wanted: Iterable[str], built: Iterable[str], source: str, pattern: str, at_most: int) -> list[Snapshot]:
    """Those wanted in the order of their names, 2026-41 before 2026-45, each with at most so many of those before it,
    built already or wanted too."""
    names = sorted(set(wanted))
    known = sorted({*built, *names})
    before = {name: [version for version in known if version < name] for name in names}
    return [
        Snapshot(version=name, archives=archives(source, pattern, name), against=against(before[name], at_most))
        for name in names
    ]


def archives(source: str, pattern: str, snapshot: str) -> str:
    """The override that names a snapshot's archives; the pattern has {snapshot} in it."""
    return f"sources.{source}.paths={json.dumps([pattern.replace('{snapshot}', snapshot)])}"


def against(before: list[str], at_most: int) -> str:
    """The override that names the versions to compare with: the last ones of those before."""
    last = before[-at_most:] if at_most else []
    return f"corpus.against={{versions: {json.dumps(last)}}}" if last else "corpus.against=null"


def month_before(time: datetime) -> str:
    """The month that had ended: 2026-10 on the first of November."""
    return f"{time.replace(day=1) - timedelta(days=1):%Y-%m}"


def only_source(recipe: Sourced) -> str:
    """The source that snapshots are archives of; ConfigError where it is not the only one."""
    if len(recipe.sources) == 1:
        return next(iter(recipe.sources))
    raise ConfigError(
        f"{recipe.name} has the sources {listed([*recipe.sources])}, and snapshots are archives of one: take a recipe "
        f"with one source, or dag_of of airflow_dags.from_recipe"
    )


def built(root: str) -> list[str]:
    """The released versions whose deduplicated corpus is whole."""
    store, folder = fsspec.core.url_to_fs(f"{root}/{DEDUPED}")
    if not store.isdir(folder):
        return []
    names = [path.rstrip("/").rpartition("/")[2] for path in store.ls(folder, detail=False)]
    return [name for name in names if name != "dev" and store.exists(f"{folder}/{name}/manifest.json")]
