"""The tiers: what stays out, when resiliparse's full text steps in, a WET file, switches, and pages made to hurt."""

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st

from corpus.html import tiers, trafilatura_text
from corpus.html.main_content import MANY_TAGS, main_text
from corpus.html.page import Page
from corpus.html.tiers import MAX_BLOCKS, TIERS, Tier
from corpus.html.trafilatura_text import peer_text
from corpus.html.wanted import Wanted
from corpus.text.charset import decode


def all_text(html: str) -> str:
    return TIERS["text"](html.encode(), Wanted()).text


def learned(html: str, **wanted: object) -> str:
    return TIERS["fast"](html.encode(), Wanted(**wanted)).text


STORY = "The mill stands by the stream and grinds the corn of the whole valley. " * 5


def page(body: str) -> str:
    return f"<!DOCTYPE html><html><head><title>Mill</title></head><body>{body}</body></html>"


def test_article_without_what_surrounds_it() -> None:
    article = f"<article><h1>The mill</h1><p>{STORY}</p></article>"
    body = f"<nav><a href=/>Home</a></nav><main>{article}</main><footer>2024</footer>"
    assert main_text(page(body)) == f"The mill\n\n{STORY.strip()}"


@pytest.mark.parametrize(
    "left_out",
    [
        "<script>var SECRET = 1</script>",
        "<style>.SECRET {}</style>",
        "<!-- SECRET -->",
        "<noscript>SECRET</noscript>",
        '<img alt="SECRET" src=x.png>',
        '<form><input value="SECRET"></form>',
        "<template>SECRET</template>",
    ],
)
@pytest.mark.parametrize("min_main_chars", [0, 10**9], ids=["main", "full"])
def test_what_no_reader_sees_stays_out(left_out: str, min_main_chars: int) -> None:
    text = main_text(page(f"<article><p>{STORY}</p>{left_out}</article>"), min_main_chars=min_main_chars)
    assert STORY.strip() in text
    assert "SECRET" not in text


SECRET_SCRIPT = "<script>var SECRET = 1</script><style>.SECRET {}</style>"


@pytest.mark.parametrize(
    "left_out",
    [
        SECRET_SCRIPT,
        f"<button>{SECRET_SCRIPT}</button>",
        f"<label>{SECRET_SCRIPT}</label><select><option>{SECRET_SCRIPT}</option></select>",
        f"<table>{SECRET_SCRIPT}<tr><td>{SECRET_SCRIPT}</table>",
        f"<svg>{SECRET_SCRIPT}<foreignObject>{SECRET_SCRIPT}</foreignObject></svg>",
        f"<svg><button>{SECRET_SCRIPT}</button></svg><math><mtext>{SECRET_SCRIPT}</mtext></math>",
        f"<noscript>{SECRET_SCRIPT}<textarea>SECRET</textarea></noscript><noscript><style>SECRET</noscript></style>",
        f"<template>{SECRET_SCRIPT}</template>",
        f"<iframe>{SECRET_SCRIPT}</iframe><object>{SECRET_SCRIPT}</object>",
        f"<noembed>{SECRET_SCRIPT}</noembed><noframes>{SECRET_SCRIPT}</noframes>",
        f"<textarea>{SECRET_SCRIPT}</textarea>",
        "<script><!--<script></script>SECRET--></script>",
        "<script>SECRET</scrip t><p>SECRET",
        "<!-- SECRET --><img alt=SECRET><a href=SECRET title=SECRET></a>",
        "<input value=SECRET><input type=password value=SECRET><button value=SECRET></button>",
    ],
)
def test_all_text_without_what_no_reader_sees(left_out: str) -> None:
    text = all_text(page(f"<p>{STORY}</p>{left_out}"))
    assert text == f"Mill\n{STORY.strip()}"


@pytest.mark.parametrize(
    "title", ["<title>x<script>SECRET</script>", "<title>x<script>SECRET</script><svg><title>y</title>"]
)
def test_a_title_that_is_not_closed_is_left_out(title: str) -> None:
    assert all_text(f"{title}<p>word") in ("", "word")


def test_all_text_has_a_line_a_block_in_the_order_of_the_page() -> None:
    html = page(
        """<nav><a href=/>Home</a> <a href=/x>Away</a></nav><h1>The
        mill</h1><p>One<br>two\xa0 <b>three</b></p><ul><li>wheat<ul><li>spelt</ul></ul>
        <table><tr><td>1</td><td>2</td></table><label>Name</label><button>Send <i>it</i></button>
        <p hidden>unseen</p><noscript><p>Turn JavaScript on</p></noscript><pre>a  b\n  c</pre><footer>2024</footer>"""
    )
    lines = [
        "Home Away",
        "The mill",
        "One",
        "two three",
        "wheat",
        "spelt",
        "1 2",
        "Name",
        "Send it",
        "unseen",
        "Turn JavaScript on",
    ]
    assert all_text(html).split("\n") == ["Mill", *lines, "a b", "c", "2024"]
    assert all_text("<title>Mill</title>") == all_text("") == ""


def test_all_text_is_that_of_a_wet_file(shared_data: Path) -> None:
    """The one capture in both forms: all lines but the cells of tables, whose rows are lines for us."""
    folder = shared_data / "warc/commoncrawl__whirlwind-python"
    with (folder / "whirlwind.warc.gz").open("rb") as archive:
        payloads = [record.reader.read() for record in ArchiveIterator(archive, record_types=WarcRecordType.response)]
    with (folder / "whirlwind.warc.wet.gz").open("rb") as archive:
        texts = [record.reader.read() for record in ArchiveIterator(archive, record_types=WarcRecordType.conversion)]
    decoded = decode(payloads[0])
    assert decoded is not None
    ours, theirs = all_text(decoded[0]).split("\n"), texts[0].decode().strip().split("\n")
    assert " ".join(ours) == " ".join(theirs)
    assert len(theirs) == 182
    rows = [
        "• Total 68 hab. (2013)",
        "• Meyana 860 m.",
        "• 47 km enta Guadalachara",
        "Coordenadas 40°24’59’’N 3° 0’23’’U",
    ]
    assert [line for line in ours if line not in theirs] == [*rows, "Lechislatura Nombre Partiu politico"]


def test_hidden_elements_are_in_the_full_text_only() -> None:
    """Some pages hide their article until a script shows it."""
    html = page(f"<article><p>{STORY}</p><p hidden>and its cat</p></article>")
    assert main_text(html) == STORY.strip()
    assert main_text(html, min_main_chars=10**9) == f"{STORY.strip()}\n\nand its cat"


def test_links_keep_their_words_and_lose_their_targets() -> None:
    text = main_text(page(f'<article><p>{STORY}<a href="https://x.example/">the miller</a></p></article>'))
    assert text.endswith("the miller")
    assert "x.example" not in text


def test_list_items_have_no_bullets() -> None:
    html = page(f"<p>{STORY}</p><ul><li>wheat</li></ul><ol><li>rye</li></ol>")
    lines = main_text(html, min_main_chars=10**9).splitlines()
    assert [line.strip() for line in lines if line][1:] == ["wheat", "rye"]


def test_full_text_steps_in_under_the_bound_and_not_at_it() -> None:
    short = page("<nav>Home and away</nav><main><p>Twelve chars</p></main>")
    assert main_text(short, min_main_chars=12) == "Twelve chars"
    assert main_text(short, min_main_chars=13) == "Home and away\n\nTwelve chars"


@given(st.text(st.characters(codec="utf-8"), max_size=300), st.sampled_from([main_text, all_text, learned]))
def test_any_text_gives_a_clean_one(html: str, read: Callable[[str], str]) -> None:
    text = read(html)
    assert text == text.strip()
    assert "\x00" not in text
    assert text.encode("utf-8").decode("utf-8") == text


@pytest.mark.parametrize("reference", ["&#xD800;", "&#0;", "&#x110000;", "&#xDFFF;"])
def test_character_references_to_nothing(reference: str) -> None:
    assert main_text(page(f"<p>a{reference}b</p>")) == "a\ufffdb"


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 100_000 + "word",
        "<div>" * 20_000 + "word" + "</div>" * 20_000,
        "<p><ARTICLE>" * 50_000 + "word",
        "<b>" * 100_000 + "word",
        "<table><tr><td>" * 20_000 + "word",
        "<ul><li>" * 20_000 + "word",
        "word" + "<" * 5_000_000,
        "word" + "<a" * 2_500_000,
        "word<!-- " + "x" * 5_000_000,
        "word<script>" + "x" * 5_000_000,
        "word" + "&" * 5_000_000,
        "word" + "\x00" * 5_000_000,
        "<b>" * 3_000 + "</p>" * 3_000 + "word",
        "word" + "<button>" * 100_000,
    ],
    ids=lambda html: f"{html[:16]} {len(html)}",
)
@pytest.mark.parametrize("read", [main_text, all_text, learned])
def test_pages_made_to_hurt_take_less_than_a_few_seconds(html: str, read: Callable[[str], str]) -> None:
    start = time.process_time()
    text = read(html)
    assert time.process_time() - start < 5
    assert "word" in text


def test_deep_nesting_gives_the_full_text_only_on_pages_of_many_tags() -> None:
    body = f"<nav>Home and away</nav><main><p>{STORY}</p></main>"
    deep = "<div>" * 600 + body + "</div>" * 600
    assert main_text(page(deep)) == STORY.strip()
    assert main_text(page(deep + "<br>" * MANY_TAGS)) == f"Home and away\n\n{STORY.strip()}"
    assert main_text(page(body + "<div>x</div>" * MANY_TAGS)).startswith(STORY.strip())


PAGE = page(
    f"""<nav><a href=/>Home</a> <a href=/b>Away</a></nav><article><h1>The mill</h1><p>{STORY}</p><h2>Its wheel</h2>
    <p>{STORY}</p><ul><li>{STORY}</li></ul><pre>grind  corn\n  twice</pre><p>{STORY}</p>
    <table><tr><th>grain</th><th>tons</th></tr><tr><td>rye</td><td>12</td></tr></table><p>{STORY}</p></article>
    <div class=comments><p class=comment>I have worked there for years, and so did my father.</p></div>
    <footer>2024</footer><script>SECRET</script>"""
)


def test_main_text_with_its_structure() -> None:
    text = learned(PAGE)
    assert text.startswith(("The mill", STORY.strip()))
    assert f"\nIts wheel\n{STORY.strip()}\n" in text
    assert "grind  corn\n  twice" in text
    assert "grain\ttons\nrye\t12" in text
    assert not {"Home", "2024", "SECRET"} & set(text.split())


def test_markdown() -> None:
    text = learned(PAGE, output="markdown")
    assert "\n\n## Its wheel\n\n" in text
    assert f"\n\n- {STORY.strip()}\n\n" in text
    assert "\n\n```\ngrind  corn\n  twice\n```\n\n" in text
    assert "\n\n| grain | tons |\n| --- | --- |\n| rye | 12 |\n\n" in text


@pytest.mark.parametrize(
    ("switch", "part"),
    [("headings", "Its wheel"), ("code", "grind  corn"), ("tables", "rye\t12"), ("lists", None)],
)
def test_switches_leave_parts_out(switch: str, part: str | None) -> None:
    text, without = learned(PAGE), learned(PAGE, **{switch: False})
    assert len(without) < len(text)
    assert part is None or (part in text and part not in without)
    assert set(without.split("\n")) < set(text.split("\n")) or switch == "lists"
    assert without.count(STORY.strip()) == text.count(STORY.strip()) - (switch == "lists")


def test_title_and_comments_are_added_where_they_are_wanted() -> None:
    comment = "I have worked there for years"
    assert comment in learned(PAGE, comments=True)
    titled = learned(PAGE, title=True)
    assert titled.startswith("The mill\n")
    assert titled.count("The mill\n") == 1
    assert learned(PAGE, title=True, output="markdown").startswith("# The mill\n\n")
    assert TIERS["resiliparse"](PAGE.encode(), Wanted(title=True)).text.startswith("The mill\n")


def test_formulas_are_told_in_tex() -> None:
    tex = '<math><mi>E</mi><annotation encoding="application/x-tex">E = mc^2</annotation></math>'
    html = page(f"<article><p>{STORY} Then {tex} holds.</p><p>{STORY}</p></article>")
    assert "Then E = mc^2 holds." in learned(html)
    assert "Then $E = mc^2$ holds." in learned(html, output="markdown")


def test_text_beyond_the_bound_on_blocks_is_left_out_and_told() -> None:
    html = page("<p>word</p>" * (MAX_BLOCKS + 1))
    extracted = TIERS["fast"](html.encode(), Wanted())
    assert extracted.cut
    assert extracted.text.count("word") <= MAX_BLOCKS
    assert not TIERS["fast"](PAGE.encode(), Wanted()).cut


@pytest.mark.parametrize("tier", sorted(TIERS))
def test_pages_cut_at_every_kilobyte(tier: str) -> None:
    """Whatever is cut off, no script or style gets into the text."""
    whole = (PAGE.replace("</article>", "</article>" + "<p>more</p><style>SECRET{}</style>" * 40)) * 3
    step = 1024 if tier != "best" else 4096
    for end in range(0, len(whole), step):
        assert "SECRET" not in TIERS[tier](whole[:end].encode(), Wanted()).text


def test_a_second_look_is_for_pages_that_the_first_is_not_sure_of(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Page] = []

    def watched(of_page: Page) -> str:
        asked.append(of_page)
        return peer_text(of_page)

    monkeypatch.setattr(trafilatura_text, "peer_text", watched)
    html = page(f"<nav><a href=/>Home</a></nav><main><article>{f'<p>{STORY}</p>' * 9}</article></main>")
    assert TIERS["best"](html.encode(), Wanted()).text == learned(html)
    assert not asked
    monkeypatch.setattr(tiers, "SURE", 1.1)
    assert STORY.strip() in TIERS["best"](html.encode(), Wanted()).text
    assert len(asked) == 1


def test_best_leaves_out_what_surrounds_an_article() -> None:
    text = TIERS["best"](PAGE.encode(), Wanted()).text
    assert STORY.strip() in text
    assert not {"Home", "2024", "SECRET"} & set(text.split())


def test_gold_segments_of_real_pages(shared_data: Path) -> None:
    """Of the segments that people marked in articles, 0.875 of those that must be there are, 0.164 of the others."""
    folder = shared_data / "pages/wcxb-dev"
    records = map(json.loads, gzip.decompress((folder / "gold.jsonl.gz").read_bytes()).splitlines())
    gold = {record["uri"]: record for record in records}
    there, not_there = [], []
    with (folder / "pages.warc.gz").open("rb") as archive:
        for record in ArchiveIterator(archive, record_types=WarcRecordType.response):
            marked = gold[record.headers["WARC-Target-URI"].strip("<>")]
            if marked["page_type"] != "article":
                continue
            decoded = decode(record.reader.read())
            assert decoded is not None
            text = " ".join(main_text(decoded[0]).split())
            there += [" ".join(segment.split()) in text for segment in marked["must_have"] or ()]
            not_there += [" ".join(segment.split()) in text for segment in marked["must_not_have"] or ()]
    assert sum(there) / len(there) > 0.87
    assert sum(not_there) / len(not_there) < 0.17


def test_headings_lose_the_sign_of_their_permalink() -> None:
    html = page("<h2>Use<a class=headerlink href=#use>¶</a></h2><p>As you like.</p><h2>¶</h2><p>Ends in a ¶</p>")
    assert all_text(html).split("\n")[-4:] == ["Use", "As you like.", "¶", "Ends in a ¶"]
    coded = page("<h2>Use <code>it ¶</code> ¶</h2><p>x</p><h2><code>¶</h2><p>y</p>").encode()
    assert TIERS["text"](coded, Wanted()).text.split("\n")[-4:] == ["Use it ¶", "x", "¶", "y"]
    marked_up = TIERS["text"](coded, Wanted(output="markdown")).text
    assert marked_up.split("\n\n")[-4:] == ["## Use `it ¶`", "x", "## ¶", "y"]


@pytest.mark.parametrize("html", ["", "<p></p>", "<p>?</p>", "\ufffd", "<code>", "<svg>"])
@pytest.mark.parametrize("tier", TIERS)
def test_pages_with_hardly_anything(tier: Tier, html: str) -> None:
    assert len(TIERS[tier](html.encode(), Wanted()).text) <= 1
