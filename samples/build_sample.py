"""The web sample: real documentation pages out of unpacked Debian packages, as one WARC file and a table of sources.

    python samples/build_sample.py UNPACKED_PACKAGES

UNPACKED_PACKAGES holds one folder a package, named as `apt-get download` names the file (epoch colon as %3a) less the
architecture: `git-doc_1%3a2.39.5-0+deb12u3/usr/share/doc/...`. Which pages, under which address and licence, stands in
`packages.toml`. The same packages give the same bytes with the same zlib: choice, order and dates are functions of
hashes, never of the clock or of a folder's order.

Limits: request records, digests and revisits are left out; header fields are few.
"""

import hashlib
import re
import sys
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

HERE = Path(__file__).resolve().parent
FIRST_DAY = datetime(2025, 9, 1, tzinfo=UTC)
CAPTURE_SECONDS = 60 * 86_400
RECAPTURE = timedelta(days=75)  # later than every first capture: a newest-wins rule has something to find
CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_-]+)", re.IGNORECASE)
CHARSET_HEADER_SHARE = 6  # one page in six says its charset in the header, so that most must be found in the bytes
TYPES = {".css": "text/css", ".png": "image/png", ".txt": "text/plain", ".xml": "text/xml"}
COLUMNS = ["url", "captured", "status", "language", "package", "version", "path", "licence", "holder", "note"]
OURS = {"package": "-", "version": "-", "path": "-", "licence": "CC0-1.0", "holder": "written for this sample"}


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One folder of a package and its place on the web; `packages.toml` says what the fields mean."""

    package: str
    language: str
    folder: str
    url: str
    pages: int
    files: tuple[str, ...] = ("*.html",)
    bytes: tuple[int, int] = (6_000, 120_000)
    also: str = ""
    every: int = 1
    name: str = ""
    follow: str = ""
    note: str = ""

    def root(self, packages: Path) -> Path:
        """The folder on disk."""
        name, version = self.package.split(" ")
        return packages / f"{name}_{version.replace(':', '%3a')}" / self.folder


@dataclass(frozen=True, kw_only=True)
class Capture:
    """One answer of a server: `fields` are the columns of the table but url, captured, status and note."""

    url: str
    captured: datetime
    body: bytes
    fields: dict[str, str]
    note: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


def number(text: str) -> int:
    """64 bits of a hash: the sample's only source of chance."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def first_seen(url: str) -> datetime:
    """A whole second within the 60 days of the crawl."""
    return FIRST_DAY + timedelta(seconds=number(url) % CAPTURE_SECONDS)


def candidates(tree: Tree, packages: Path) -> list[str]:
    """Paths below the tree's folder that match its patterns and sizes, in the order of a hash."""
    root = tree.root(packages)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder; unpack {tree.package} there")
    least, greatest = tree.bytes
    found = {path for pattern in tree.files for path in root.glob(pattern) if path.is_file()}
    fitting = (path for path in found if not path.is_symlink() and least <= path.stat().st_size <= greatest)
    return sorted((str(path.relative_to(root)) for path in fitting), key=number)


def content_type(path: str, body: bytes) -> str:
    """The Content-Type header: with a charset for one HTML page in six, where the page itself names one."""
    kind = TYPES.get(Path(path).suffix, "text/html")
    declared = CHARSET.search(body[:2_000]) if kind == "text/html" else None
    if declared and number(path) % CHARSET_HEADER_SHARE == 0:
        return f"{kind}; charset={declared[1].decode()}"
    return kind


def captures(tree: Tree, paths: list[str], packages: Path, licences: dict[str, dict[str, str]]) -> Iterator[Capture]:
    """Each path under its address and, where the site has a second one, for every n-th page under that as well."""
    package, version = tree.package.split(" ")
    for at, path in enumerate(paths):
        body = (tree.root(packages) / path).read_bytes()
        names = {"path": path, "stem": path.removesuffix(".html")}
        url = tree.url.format(**names)
        where = {"package": package, "version": version, "path": f"{tree.folder}/{path}"}
        page = Capture(
            url=url,
            captured=first_seen(url),
            body=body,
            fields={"language": tree.language, **where, **licences[tree.package]},
            note=tree.note,
            headers=(("Content-Type", content_type(path, body)),),
        )
        yield page
        if tree.also and at % tree.every == 0:
            yield replace(page, url=tree.also.format(**names), captured=page.captured + RECAPTURE)


def answer(url: str, status: int, location: str = "") -> Capture:
    """What a server says instead of a page; status 200 is an empty page."""
    title = f"{status} {HTTPStatus(status).phrase}"
    see = f'<p>See <a href="{location}">here</a>.</p>' if location else ""
    html = f"<html><head><title>{title}</title></head><body><h1>{title}</h1>{see}</body></html>\n"
    return Capture(
        url=url,
        captured=first_seen(url),
        body=b"" if status == HTTPStatus.OK else html.encode(),
        fields={"language": "en", **OURS},
        note="junk: empty page" if status == HTTPStatus.OK else "junk: not a page",
        status=status,
        headers=(("Content-Type", "text/html"), *((("Location", location),) if location else ())),
    )


def gather(table: dict[str, Any], packages: Path) -> list[Capture]:
    """All captures in the order of their dates; a repeated body is noted as the exact duplicate it is."""
    found = [answer(**entry) for entry in table["answers"]]
    chosen: dict[str, list[str]] = {}
    taken: set[Path] = set()
    for entry in table["trees"]:
        tree = Tree(**entry)
        wanted = chosen.get(tree.follow)
        fresh = (path for path in candidates(tree, packages) if tree.root(packages) / path not in taken)
        paths = [path for path in fresh if wanted is None or path in wanted][: tree.pages]
        chosen[tree.name or tree.url] = paths
        taken.update(tree.root(packages) / path for path in paths)
        found.extend(captures(tree, paths, packages, table["packages"]))
    return noted(sorted(found, key=lambda capture: (capture.captured, capture.url)))


def noted(in_order: list[Capture]) -> list[Capture]:
    """The captures, where a body came before with that said in the note."""
    first: dict[bytes, str] = {}
    result = []
    for capture in in_order:
        before = first.setdefault(capture.body, capture.url)
        repeated = capture.body and before != capture.url
        result.append(replace(capture, note=f"exact-duplicate: {before}") if repeated else capture)
    return result


def record(kind: str, name: str, when: datetime, fields: list[tuple[str, str]], block: bytes) -> bytes:
    """One WARC/1.0 record as a gzip member without time or file name."""
    head = [
        ("WARC-Type", kind),
        ("WARC-Record-ID", f"<urn:uuid:{uuid5(NAMESPACE_URL, f'{name} {when.isoformat()}')}>"),
        ("WARC-Date", when.strftime("%Y-%m-%dT%H:%M:%SZ")),
        *fields,
        ("Content-Length", str(len(block))),
    ]
    packer = zlib.compressobj(level=9, wbits=31)  # 16 + 15: a gzip wrapper, mtime 0
    whole = b"WARC/1.0\r\n" + header_lines(head) + b"\r\n" + block + b"\r\n\r\n"
    return packer.compress(whole) + packer.flush()


def header_lines(fields: list[tuple[str, str]]) -> bytes:
    """`Name: value` lines, each closed by CR LF."""
    return "".join(f"{name}: {value}\r\n" for name, value in fields).encode()


def response(capture: Capture) -> bytes:
    """The capture as a response record with the HTTP message in it."""
    headers = [("Date", format_datetime(capture.captured, usegmt=True)), *capture.headers]
    status = f"HTTP/1.1 {capture.status} {HTTPStatus(capture.status).phrase}\r\n".encode()
    length = header_lines([*headers, ("Content-Length", str(len(capture.body)))])
    fields = [("WARC-Target-URI", capture.url), ("Content-Type", "application/http; msgtype=response")]
    block = status + length + b"\r\n" + capture.body
    return record("response", capture.url, capture.captured, fields, block)


def row(capture: Capture) -> str:
    """The capture's line of the table of sources."""
    own = {"url": capture.url, "captured": f"{capture.captured:%Y-%m-%dT%H:%M:%SZ}", "note": capture.note}
    values = {**capture.fields, **own, "status": str(capture.status)}
    return "\t".join(values[column] for column in COLUMNS) + "\n"


def main(packages: Path) -> None:
    """Writes `web/debian-docs.warc.gz` and `web/debian-docs.sources.tsv` beside this script."""
    table = tomllib.loads((HERE / "packages.toml").read_text(encoding="utf-8"))
    found = gather(table, packages)
    about = header_lines([("software", "build_sample.py"), ("format", "WARC File Format 1.0")])
    kind = [("Content-Type", "application/warc-fields")]
    web = HERE / "web"
    web.mkdir(exist_ok=True)
    with (web / "debian-docs.warc.gz").open("wb") as out:
        out.write(record("warcinfo", "debian-docs", FIRST_DAY, kind, about))
        out.writelines(map(response, found))
    lines = ["\t".join(COLUMNS) + "\n", *map(row, found)]
    (web / "debian-docs.sources.tsv").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python samples/build_sample.py UNPACKED_PACKAGES")
    main(Path(sys.argv[1]))
