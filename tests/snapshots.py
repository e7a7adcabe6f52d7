"""Two monthly snapshots with planted repeats in one root: the second is deduplicated against the first."""

from pathlib import Path

import pyarrow.parquet as pq
from small_run import Said, millstream, prose, warc

from corpus.storage import Folder
from pipelines.artifact import Place
from pipelines.names import DEDUPED

RECIPE = """
name: monthly
seed: 3
sources:
  web: {format: warc, paths: ["empty/*.warc.gz"]}
corpus:
  dedup: [{method: url}, {method: exact}, {method: minhash}]
  split_bytes: 800
  shard_bytes: 1
"""
FIRST, SECOND = "2026-41", "2026-45"
AGAINST = 'corpus.against={versions: ["2026-41"]}'


def page(name: str, subject: str, old: str = "", new: str = "") -> bytes:
    """A record of a page on a subject, a word of it changed."""
    text = prose(subject)
    assert old in text
    return warc(f"http://{name}.example/", f"<p>{text.replace(old, new)}</p>".encode())


def write_snapshots(folder: Path) -> Path:
    """The archives of two months, of the same name, and a recipe over them; its path. In both the first page of shard 0
    has the same id and the same home."""
    months = {
        FIRST: [page("one", "castle"), page("two", "forest"), page("three", "market"), page("four", "bridge")],
        SECOND: [
            page("new", "island"),
            page("copy", "castle"),  # seen_text
            page("near", "forest", "by 9 people", "by 9 visitors"),  # seen_near
            page("three", "museum"),  # an old url with another text: news
            page("other", "desert"),
            page("again", "desert"),  # exact_duplicate inside the month
        ],
    }
    for month, pages in months.items():
        (folder / month).mkdir(parents=True)
        (folder / month / "part.warc.gz").write_bytes(b"".join(pages))
    recipe = folder / "monthly.yaml"
    recipe.write_text(RECIPE)
    return recipe


def words_for(recipe: Path, root: Path, month: str, *more: object) -> list[object]:
    """The command line that builds a month's corpus/deduped."""
    paths = f'sources.web.paths=["{recipe.parent / month}/*.warc.gz"]'
    return ["run", recipe, "--root", root, "--version", month, "--only", DEDUPED, "--set", paths, *more]


def built(recipe: Path, root: Path, month: str, *more: object) -> Said:
    """The month, built by one local worker."""
    said = millstream(*words_for(recipe, root, month, "--workers", 1, *more))
    assert said.code == 0, said.err
    return said


def fates(root: Path, month: str) -> dict[str, str]:
    """What became of the pages of a month, by the host of their url: kept, or why not."""
    place = Place(Folder(str(root)), month)
    found = {}
    for shard in place.need(DEDUPED).shards:
        for info in shard.files.values():
            for row in pq.read_table(place.folder(DEDUPED).path(info.file)).to_pylist():
                found[row["url"].removeprefix("http://").partition(".")[0]] = row.get("drop_reason") or "kept"
    return found


EXPECTED = {
    "new": "kept",
    "copy": "seen_text",
    "near": "seen_near",
    "three": "kept",
    "other": "kept",
    "again": "exact_duplicate",
}
"""Or the two last ones the other way round: of equal texts the smallest id stays."""
