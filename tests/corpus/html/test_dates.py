"""Dates as pages write them, and all that is none."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.html.dates import iso_date


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2019-12-01", "2019-12-01"),
        ("2019-12-01T23:59:59.000+0100", "2019-12-01"),
        ("2019/12/1", "2019-12-01"),
        ("20191201T093000Z", "2019-12-01"),
        ("20191201093000", "2019-12-01"),
        ("Sun, 01 Dec 2019 09:30:00 +0100", "2019-12-01"),
        ("Published: December 1st, 2019 | 3 min", "2019-12-01"),
        ("Dec. 1, 2019", "2019-12-01"),
        ("01.12.2019, 12:45 Uhr", "2019-12-01"),
        ("Sonntag, 1. Dezember 2019", "2019-12-01"),
        ("3. März 2019", "2019-03-03"),
        ("le 1er juillet 2019", "2019-07-01"),
        ("mardi 9 juin 2020", "2020-06-09"),
        ("31 de marzo de 2020", "2020-03-31"),
        ("5 мая 2019", "2019-05-05"),
        ("7 sierpnia 2019", "2019-08-07"),
        ("2020-02-29", "2020-02-29"),
        ("2019-02-29", None),
        ("2019-13-01", None),
        ("0001-01-01", None),
        ("1989-12-31", None),
        ("2101-01-01", None),
        ("1990-01-01 2101-01-01", "1990-01-01"),
        ("03/04/2019", None),
        ("12019-12-01", None),
        ("1575158400", None),
        ("version 1.2.20193", None),
        ("", None),
        ("x" * 200 + "2019-12-01", None),
        ("٢٠١٩-١٢-٠١", None),
    ],
)
def test_iso_date(text: str, day: str | None) -> None:
    assert iso_date(text) == day


@given(
    st.dates(date(1990, 1, 1), date(2100, 12, 31)),
    st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%d %b %Y", "%B %d, %Y"]),
)
def test_every_day_is_read_back(day: date, form: str) -> None:
    assert iso_date(day.strftime(form)) == day.isoformat()


@given(st.text(max_size=200))
def test_any_text_is_a_valid_day_or_none(text: str) -> None:
    day = iso_date(text)
    assert day is None or date.fromisoformat(day).isoformat() == day
