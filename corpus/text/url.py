"""What a url says: the key under which C4 takes two addresses for one page, its host and its domain.

Urls of the web are junk as often as not; nothing here raises, and what cannot be read is "".
"""

import re
from urllib.parse import urlsplit

_SCHEME = re.compile(r"https?://(www\.)?")
_TRACKING = re.compile(r"\?(utm_|ref|feed).*")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}|.*:.*")

SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "mil", "ne", "net", "nom", "or", "org"})
"""Labels that stand below a country's two letters as ".com" does at the top: the frequent ones of the Public Suffix
List (publicsuffix.org)."""


def c4_key(url: str) -> str:
    """The url as C4 compares it (rule 4 of tensorflow/datasets, text/c4_utils.py, v3).

    # https://www.a.org/b/?utm_source=x -> a.org/b

    Not anchored, as published: a scheme inside the path goes too, and "?ref" also takes "?reference=1".
    """
    return _TRACKING.sub("", _SCHEME.sub("", url)).rstrip("/")


def host(url: str) -> str:
    """The host in lower case without user, port and final dot; "" when there is none.

    # HTTPS://me@News.Example.co.uk.:8080/x -> news.example.co.uk
    """
    try:
        name = urlsplit(url.strip()).hostname
    except ValueError:  # an open "[", or characters that normalise to "/" or "@"
        return ""
    return (name or "").rstrip(".")


def domain(url: str) -> str:
    """The registered domain, nearly: the last two labels of the host, or three below a country's second level.

    # news.example.co.uk -> example.co.uk;   a.b.example.org -> example.org;   192.0.2.7 -> 192.0.2.7

    Limits: an approximation for tables of top domains. The Public Suffix List also knows towns, provinces and hosting
    services ("github.io"), which are one domain here.
    """
    name = host(url)
    if _ADDRESS.fullmatch(name):
        return name
    labels = name.split(".")
    below_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL
    return ".".join(labels[-3:] if below_country else labels[-2:])
