"""What is finished, as Airflow knows it: an asset for each artifact of a recipe, whose events say which versions."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Asset

GROUP = "millstream"


def asset(recipe: str, artifact: str) -> Asset:
    """The artifact of a recipe's runs: corpus/deduped of monthly. Events carry {"root", "versions", "says"}."""
    return Asset(name=f"{recipe}/{artifact}", uri=f"{GROUP}://{recipe}/{artifact}", group=GROUP)


def versions_in(events: Mapping[Any, Sequence[Any]]) -> list[str]:
    """The versions that the events which have started a run speak of, each once, in order."""
    found = {
        version for some in events.values() for event in some for version in (event.extra or {}).get("versions", ())
    }
    return sorted(found)
