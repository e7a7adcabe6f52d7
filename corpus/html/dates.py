"""A date as pages write it, to "YYYY-MM-DD".

Read are ISO 8601 (https://www.w3.org/TR/NOTE-datetime, with or without separators, also with "/" and "."), dates of
three numbers with points (1.12.2019: day first), and dates with a month's name in the languages below (1 Dec 2019,
le 1er décembre 2019, December 1, 2019). The day is the one written, in the page's own time zone. Dates with slashes and
the year last are not read: half of the world has the month first.
"""

import re
from datetime import date
from typing import Final

FIRST_YEAR, LAST_YEAR = 1990, 2100
"""Before the first page, and a bound on nonsense."""
MAX_DATE_CHARACTERS: Final = 128
"""Read of a text."""

_MONTHS: Final = tuple(
    line.split()
    for line in """
jan jän ene gen sty янв
feb fév fev fevr lut фев
mar mär mrz maa мар
apr abr avr kwi апр
may mai mag maj mei mayo мая май
jun juin giu cze июн
jul juil lug lip июл
aug ago aoû sie авг
sep set wrz сен
oct okt ott out paź окт
nov lis ноя
dec dez déc dic gru дек
""".strip().splitlines()
)
"""How months' names begin: English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Russian (CLDR)."""
_MONTH_OF: Final = {start: number for number, starts in enumerate(_MONTHS, 1) for start in starts}

_YEAR: Final = re.compile("[12][0-9]{3}")
_NAME = r"(?P<name>[^\W\d_]{3,10})\.?"
_BEFORE, _AFTER = r"(?<![\d.])", r"(?!\d)"
_FORMS: Final = tuple(
    re.compile(form)
    for form in (
        rf"{_BEFORE}(?P<year>[0-9]{{4}})(?P<mark>[-/.])(?P<month>[0-9]{{1,2}})(?P=mark)(?P<day>[0-9]{{1,2}}){_AFTER}",
        rf"{_BEFORE}(?P<year>(?:19|20|21)[0-9]{{2}})(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})(?:[0-9]{{6}})?{_AFTER}",
        rf"{_BEFORE}(?P<day>[0-9]{{1,2}})\.\s?(?P<month>[0-9]{{1,2}})\.\s?(?P<year>[0-9]{{4}}){_AFTER}",
        rf"{_BEFORE}(?P<day>[0-9]{{1,2}})(?:\.|st|nd|rd|th|er)?[\s-]?(?:de\s|of\s)?{_NAME}"
        rf",?[\s-](?:de\s|del\s)?(?P<year>[0-9]{{4}}){_AFTER}",
        rf"{_NAME}\s(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?,?\s(?P<year>[0-9]{{4}}){_AFTER}",
    )
)


def iso_date(text: str) -> str | None:
    """The first date that stands in the text's first 128 characters, as YYYY-MM-DD; None where there is none."""
    text = text[:MAX_DATE_CHARACTERS]
    if not _YEAR.search(text):
        return None
    found = (day for form in _FORMS for match in form.finditer(text) if (day := _day(match.groupdict())) is not None)
    return next(found, None)


def _day(parts: dict[str, str]) -> str | None:
    """The day of these parts, None where there is no such day or it is out of bounds."""
    name = parts.get("name", "").casefold()
    month = (_MONTH_OF.get(name[:4]) or _MONTH_OF.get(name[:3])) if name else int(parts["month"])
    year = int(parts["year"])
    if month is None or not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    try:
        return date(year, month, int(parts["day"])).isoformat()
    except ValueError:
        return None
