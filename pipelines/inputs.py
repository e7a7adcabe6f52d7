"""What a run reads from outside: which files, what they are by content, and how they are cut."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from corpus.archive.members import boundary
from corpus.canonical import canonical_json
from corpus.errors import ConfigError
from corpus.splits import SPLIT, InputFile, Split, cut, find_files, limited
from corpus.stage import fuse
from corpus.stages.warc import WarcReader
from corpus.storage import Folder, sha256_of

DIGESTS = "digests.json"


@dataclass(frozen=True)
class RawInputs:
    """The sources' files. `memory` is where digests of files are remembered by path, size and time of change."""

    sources: Mapping[str, Sequence[str]]
    split_bytes: int
    limit: int | None
    memory: Folder
    reader: WarcReader

    @cached_property
    def files(self) -> list[InputFile]:
        """All files, source by source; ConfigError where a pattern matches none or a store cannot be asked."""
        try:
            return find_files(self.sources)
        except (
            OSError,
            ValueError,
            ImportError,
        ) as error:  # no such protocol, its package missing, no way to the store
            paths = ", ".join(path for paths in self.sources.values() for path in paths)
            raise ConfigError(
                f"sources: {paths}: {error}; correct the path, or install what its store needs"
            ) from error

    @cached_property
    def contents(self) -> list[dict[str, Any]]:
        """The files by name, size and content, wherever they lie."""
        known = json.loads(self.memory.read(DIGESTS)) if self.memory.exists(DIGESTS) else {}
        entries = {item.url: _entry(item, known.get(item.url)) for item in self.files}
        if any(known.get(url) != entry for url, entry in entries.items()):
            self.memory.write(DIGESTS, canonical_json(known | entries))
        return [
            {"source": item.source, "file": item.file, "size": item.size, "content": entries[item.url]["content"]}
            for item in self.files
        ]

    def splits(self) -> list[Split]:
        """The splits, numbered; with a limit those of the first records only."""
        splits = cut(self.files, self.split_bytes, boundary)
        if self.limit is None:
            return splits
        step, _ = fuse([self.reader], SPLIT)
        return limited(splits, self.limit, lambda split: sum(batch.num_rows for batch in step(split.batch())))


def _entry(item: InputFile, known: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The file's content: sha256 of a local one, read again only when it changed; an object store's etag."""
    fs, path = fsspec.core.url_to_fs(item.url)
    info = fs.info(path)
    if tag := info.get("ETag") or info.get("etag"):
        return {"size": item.size, "content": f"etag:{str(tag).strip(chr(34))}"}
    changed = (
        f"{info.get('mtime')} {info.get('created')}"  # the latter moves on a local disk even if a copy keeps times
    )
    if known and (known["size"], known.get("changed")) == (item.size, changed):
        return known
    local = Path(path) if Path(path).is_file() else None
    content = sha256_of(local) if local else hashlib.sha256(fs.cat_file(path)).hexdigest()
    return {"size": item.size, "changed": changed, "content": f"sha256:{content}"}
