"""report.html: one page that holds everything it shows, runs nothing and asks nothing of the network."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.artifact import Place
from pipelines.report import charts, wording
from pipelines.report.numbers import Numbers, numbers
from pipelines.report.records import records

REPORT = "report.html"
_HERE = Path(__file__).parent
_FILTERS = ("count", "size", "share", "seconds", "times", "words", "value", "pretty")


def write_report(place: Place, artifacts: Sequence[str], title: str) -> str:
    """Writes ROOT/report.html whole, from the artifacts that there are; its path."""
    found = numbers(records(place, artifacts))
    place.root.write(REPORT, rendered(found, title).encode())
    return place.root.path(REPORT)


def rendered(found: Numbers, title: str) -> str:
    """The page. What comes from outside is escaped: by Jinja in the text, by an XML writer in the charts."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {name: getattr(wording, name) for name in _FILTERS}
    style = Markup((_HERE / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - ours
    return environment.get_template("page.html").render(found=found, title=title, style=style, charts=charts)
