"""An ablation's page: whether clean text is better than unfiltered, on what, by how much, and how sure that is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.report import ablation_charts, ablation_view, wording
from pipelines.report.ablation_view import Architecture, architectures, rival

_HERE = Path(__file__).parent
_FILTERS = {name: getattr(wording, name) for name in ("count", "size", "share", "seconds", "words")}
_FILTERS |= {
    name: getattr(ablation_view, name) for name in ("named", "figure", "signed", "between", "chance", "margin")
}
_ABOUT: Mapping[str, Any] = {"arms": {}, "corpora": {}, "budget": {}, "contamination": {}, "made": {}}


def rendered(verdict: Mapping[str, Any], about: Mapping[str, Any], title: str) -> str:
    """The page, whole: it runs nothing and loads nothing. What comes from outside is escaped: by Jinja in the text, by
    an XML writer in the charts. What the verdict or `about` does not have is left out."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= _FILTERS
    parts = architectures(verdict)
    against = rival(verdict)
    return environment.get_template("ablation.html").render(
        title=title,
        style=Markup((_HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - ours
        verdict=verdict,
        about={**_ABOUT, **about},
        parts=parts,
        rival=against,
        tokens=ablation_view.budget_tokens(about),
        answers=[(one, one.findings(against)) for one in parts] if against else [],
        t5=verdict.get("t5") or [],
        suites=ablation_view.suites(verdict.get("t5") or []),
        charts=ablation_charts,
        controls=controls,
        outcome=ablation_view.outcome,
    )


def controls(found: Architecture) -> list[tuple[str, list[float | None], Mapping[str, Any]]]:
    """For each measure what models that learnt nothing, or little, come to, and what seeds alone do."""
    plain = ("untrained", "bigram")
    return [
        (measure, [found.controls.get(kind, {}).get(measure) for kind in plain], found.noise(measure))
        for measure in found.heads
        if any(measure in found.controls.get(kind, {}) for kind in (*plain, "noise"))
    ]
