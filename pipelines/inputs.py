"""What a run reads from outside: which files, what they are by content, and how they are cut."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import fsspec

from corpus.archive.members import boundary
from corpus.canonical import canonical_json
from corpus.errors import ConfigError
from corpus.splits import SPLIT, InputFile, Split, cut, find_files, limited
from corpus.stage import fuse
from corpus.stages.warc import WarcReader
from corpus.storage import Folder

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
        """The files that are read, by name, size and content, wherever they lie."""
        read = {split.url for split in self.splits}
        files = [item for item in self.files if self.limit is None or item.url in read]
        known = json.loads(self.memory.read(DIGESTS)) if self.memory.exists(DIGESTS) else {}
        entries = {item.url: _entry(item, known.get(item.url)) for item in files}
        if any(known.get(url) != entry for url, entry in entries.items()):
            self.memory.write(DIGESTS, canonical_json(known | entries))
        return [
            {"source": item.source, "file": item.file, "size": item.size, "content": entries[item.url]["content"]}
            for item in files
        ]

    @cached_property
    def splits(self) -> list[Split]:
        """The splits, numbered; with a limit those of the first records only, and no file after them is opened."""
        splits = cut(self.files, self.split_bytes, boundary)
        if self.limit is None:
            return list(splits)
        step, _ = fuse([self.reader], SPLIT)
        return limited(splits, self.limit, lambda split: sum(batch.num_rows for batch in step(split.batch())))


def _entry(item: InputFile, known: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The file's content: an object store's etag, or a sha256, taken again when its times changed or are unknown."""
    fs, path = fsspec.core.url_to_fs(item.url)
    info = fs.info(path)
    if tag := info.get("ETag") or info.get("etag"):
        return {"size": item.size, "content": f"etag:{str(tag).strip(chr(34))}"}
    # `created` moves on a local disk even where a copy keeps the time of change
    times = [str(info[name]) for name in ("mtime", "created", "LastModified") if info.get(name) is not None]
    if known and times and (known["size"], known.get("changed")) == (item.size, times):
        return known
    with fs.open(path, "rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": item.size, "changed": times, "content": f"sha256:{content}"}
