"""C4's key as published, hosts and domains of good and junk urls, and the domain beside the Public Suffix List."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.text.url import c4_key, domain, host


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://www.a.org/b/?utm_source=x", "a.org/b"),
        ("http://a.org/b", "a.org/b"),
        ("http://www2.a.org/", "www2.a.org"),
        ("http://a.org///", "a.org"),
        ("http://a.org/?reference=1#x", "a.org"),
        ("http://a.org/?feedback=1", "a.org"),
        ("http://a.org/?id=1&utm_source=x", "a.org/?id=1&utm_source=x"),
        ("http://a.org/?id=1?ref=2", "a.org/?id=1"),
        ("https://archive.org/web/http://www.a.org/", "archive.org/web/a.org"),
        ("HTTP://WWW.a.org", "HTTP://WWW.a.org"),
        ("http://a.org/?ref=\nb", "a.org/\nb"),
        ("ftp://a.org/", "ftp://a.org"),
        ("http://", ""),
    ],
)
def test_c4_key(url: str, key: str) -> None:
    assert c4_key(url) == key


@pytest.mark.parametrize(
    ("url", "name", "registered"),
    [
        ("HTTPS://me@News.Example.co.uk.:8080/x", "news.example.co.uk", "example.co.uk"),
        ("http://a.b.example.org/?q=http://c.net", "a.b.example.org", "example.org"),
        (" http://example.org ", "example.org", "example.org"),
        ("http://co.uk/", "co.uk", "co.uk"),
        ("http://x.com.de/", "x.com.de", "x.com.de"),
        ("http://192.0.2.7:80/", "192.0.2.7", "192.0.2.7"),
        ("http://[2001:DB8::1]/", "2001:db8::1", "2001:db8::1"),
        ("http://localhost/", "localhost", "localhost"),
        ("http://bücher.example/", "bücher.example", "bücher.example"),
        ("example.org/no-scheme", "", ""),
        ("http://[broken", "", ""),
        ("mailto:me@example.org", "", ""),
        ("", "", ""),
    ],
)
def test_host_and_domain(url: str, name: str, registered: str) -> None:
    assert (host(url), domain(url)) == (name, registered)


@given(st.one_of(st.text(), st.text().map("http://".__add__), st.text(alphabet="htp:/[]@.?#%w\n").map(str)))
def test_nothing_raises(url: str) -> None:
    assert host(url).endswith(domain(url))
    assert not c4_key(url).endswith("/")


def test_domain_beside_the_public_suffix_list(shared_data: Path) -> None:
    """On hosts of real pages the approximation is the registered domain in 99 of 100."""
    listed = shared_data / "reference/publicsuffix/public_suffix_list.dat.gz"
    icann = gzip.decompress(listed.read_bytes()).decode().split("===BEGIN PRIVATE DOMAINS===")[0]
    rules = {line.strip() for line in icann.splitlines() if line.strip() and not line.startswith("//")}
    hosts = set()
    for pages in ("wcxb-dev", "trafilatura-eval", "daniel-waddle", "fundus-news", "recipe-scrapers"):
        with gzip.open(shared_data / "pages" / pages / "gold.jsonl.gz", "rt", encoding="utf-8") as lines:
            hosts |= {host(json.loads(line)["uri"]) for line in lines}
    hosts = {name for name in hosts if not name.endswith(".invalid")}
    assert len(hosts) > 500
    wrong = {name for name in hosts if domain(f"http://{name}/") != registered_domain(name, rules)}
    assert len(wrong) / len(hosts) < 0.01, sorted(wrong)


def registered_domain(name: str, rules: set[str]) -> str:
    """By the list's algorithm: the longest rule that matches, and one label more."""
    labels = name.split(".")
    for start in range(len(labels)):
        suffix = ".".join(labels[start:])
        wild = ".".join(["*", *labels[start + 1 :]])
        if f"!{suffix}" in rules:
            return suffix
        if suffix in rules or wild in rules:
            return ".".join(labels[max(0, start - 1) :])
    return ".".join(labels[-2:])
