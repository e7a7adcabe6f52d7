"""Which side a host is on depends on its site alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ConfigError
from corpus.html.learn.split import fold, held_out_hosts, part

LABEL = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
SITES = [f"site{n}.org" for n in range(4_000)]


@given(LABEL, LABEL)
def test_all_hosts_of_a_site_are_on_one_side(label, site):
    assert part(f"{label}.{site}.org", ()) == part(f"{site}.org", ())
    assert fold(f"{label}.{site}.org") == fold(f"{site}.org")


def test_what_is_listed_is_aside_with_all_beside_it(tmp_path):
    trained = next(site for site in SITES if part(site, ()) == "train")
    (tmp_path / "hosts.txt").write_text(f"docs.{trained}\nb.example.co.uk\n")
    held_out = held_out_hosts(tmp_path / "hosts.txt")
    assert held_out == {trained, "example.co.uk"}
    assert {part(name, held_out) for name in (trained, f"docs.{trained}", f"wiki.{trained}")} == {"aside"}


def test_shares():
    aside = [site for site in SITES if part(site, ()) == "aside"]
    assert len(aside) == pytest.approx(0.15 * len(SITES), rel=0.1)
    for of_part in (SITES, aside):  # the folds know nothing of the sides
        counts = [sum(fold(site) == n for site in of_part) for n in range(5)]
        assert sum(counts) == len(of_part)
        assert min(counts) > 0.8 * len(of_part) / 5


def test_sides_stay_as_they_are():
    # a change moves pages that were trained on to where scores are reported
    assert [n for n in range(40) if part(f"site{n}.org", ()) == "aside"] == [1, 4, 20, 23, 24, 26, 31, 34]
    assert "".join(str(fold(f"site{n}.org")) for n in range(20)) == "13033403203424303100"
    assert part("unknown:zh-extraction/a", ()) == "train"


def test_a_missing_list_is_said(tmp_path):
    with pytest.raises(ConfigError, match="no such list of held-out hosts"):
        held_out_hosts(tmp_path / "none.txt")
