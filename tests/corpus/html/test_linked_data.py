"""JSON-LD as pages wrap it, and what is none."""

import pytest

from corpus.html.linked_data import MAX_SCRIPT_CHARACTERS, LinkedData, linked_data


def test_scripts_as_pages_wrap_them() -> None:
    node = '{"@type": "Article", "headline": "Words\nin two lines"}'
    for script in (
        node,
        f"<![CDATA[{node}]]>",
        f"//<![CDATA[\n{node}\n//]]>",
        f"<!-- {node} -->",
        f"{node};",
        f"[{node}]",
        f"{node} }}",
    ):
        assert linked_data([script]).headline == "Words\nin two lines", script


@pytest.mark.parametrize("script", ["", "{", "null", "1", '"x"', "[" * 100_000, "9" * 5_000, "{'a': 1}", "NaN", "]]>"])
def test_what_is_no_linked_data_says_nothing(script: str) -> None:
    assert linked_data([script]) == LinkedData()
    assert linked_data([script, '{"@type": "Article", "headline": "x"}']).headline == "x"


def test_scripts_that_are_too_long_are_not_read() -> None:
    node = '{"@type": "Article", "headline": "x"}'
    assert linked_data([node.ljust(MAX_SCRIPT_CHARACTERS)]).headline == "x"
    assert linked_data([node.ljust(MAX_SCRIPT_CHARACTERS + 1)]) == LinkedData()
