"""Code, tables, lists and formulas: what is asked for, and what counts as having come out."""

import pytest

from corpus.html.learn.structure import Structure, structure, structure_scores

CODE = "<pre><code>    def <b>double</b>(x):\n        return 2 * x\n\n    end</code></pre>"
TABLE = "<table><tr><th>Name<th>Price<th></tr><tr><td>Tea</td><td>2.50</td></tr><tr><td>alone</td></tr></table>"


def shares(html: str, gold: str, found: str) -> dict[str, float]:
    return structure_scores(structure(html, gold), found)


@pytest.mark.parametrize(
    ("found", "share"),
    [
        ("    def double(x):\n        return 2 * x", 1),
        ("def double(x):\n    return 2 * x", 1),  # what the whole block is indented by may go
        ("```\ndef double(x):\n\treturn 2 * x  \n```", 1),
        ("def double(x):\nreturn 2 * x", 0.5),
        ("def double(x): return 2 * x", 0),
    ],
)
def test_code_keeps_its_lines_and_their_indentation(found, share):
    assert shares(CODE, "So: def double(x): return 2 * x end", found) == {"code": share}


def test_rows_are_lines_with_their_cells_in_order():
    gold = "Name Price Tea 2.50 alone"
    assert shares(TABLE, gold, "| Name | Price |\n| Tea | 2.50 |") == {"cells": 1, "rows": 1}
    assert shares(TABLE, gold, "Name\nPrice\nTea 2.50") == {"cells": 1, "rows": 0.5}
    assert shares(TABLE, gold, "Price Name\n2.50") == {"cells": 0.75, "rows": 0}


def test_tables_that_hold_tables_are_layout():
    assert structure(f"<table><tr><td>left</td><td>{TABLE}</td></tr></table>", "left Name Price") == Structure(
        rows=(("Name", "Price"),)
    )


def test_items_begin_lines():
    html = "<ul><li>the first of them<li>the second of them<ul><li>one that is inside</ul></ul>"
    gold = "the first of them the second of them one that is inside"
    assert structure(html, gold).items == ("the first of them", "one that is inside")
    assert structure(html.replace("<li>one", "<li>another headline<li>one"), gold).items == ("the first of them",)
    assert shares(html, gold, "- the first of them\n  2. one that is inside") == {"items": 1}
    assert shares(html, gold, "the first of them one that is inside") == {"items": 0.5}


def test_formulas_come_out_as_tex():
    html = '<math alttext="{\\displaystyle a^{2} + b}"></math><p>\\(\\alpha_1\\), costs $5 or $6</p>'
    gold = "and \\(\\alpha_1\\), costs $5 or $6"
    assert structure(html, gold).formulas == ("a^{2}+b", "\\alpha_1")
    assert shares(html, gold, "$a^{2}+b$ or α1") == {"formulas": 0.5}
    annotated = '<math><mi>a</mi><annotation encoding="application/x-tex">a^{2} + b</annotation></math>'
    assert structure(annotated + html, "").formulas == ("a^{2}+b",)


def test_what_the_gold_lacks_is_not_asked_for():
    menu = "<ul><li>Imprint and contact</ul><pre>line of code</pre><table><tr><td>a</td><td>b</td></tr></table>"
    assert shares(menu, "something else", "") == {}
    assert structure("", "text") == Structure()
