"""What a run reads from outside: which files, what they are by content, and how they are cut."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from corpus.archive.members import boundary
from corpus.errors import ConfigError
from corpus.readahead import opened
from corpus.splits import SPLIT, InputFile, Split, cut, find_files, gather, limited
from corpus.stage import fuse
from corpus.stages.warc import WarcReader
from corpus.storage import Folder

DIGESTS = "digests.json"
HASHED_AT_ONCE = 4 << 20
"""Bytes of small files that one thread hashes in a row: handing over each by itself takes longer than hashing it."""


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
        read = {part.url for split in self.splits for part in split.parts}
        files = [item for item in self.files if self.limit is None or item.url in read]
        data = self.memory.found(DIGESTS) if any(item.etag is None for item in files) else None
        known = json.loads(data) if data else {}

        def hashed(group: Sequence[InputFile]) -> list[str]:
            return [_content(item, known.get(item.url)) for item in group]

        groups = gather(files, lambda item: item.size, HASHED_AT_ONCE)
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing lets go of the interpreter's lock
            contents = list(chain.from_iterable(threads.map(hashed, groups)))
        told = {item.url: _told(item, content) for item, content in zip(files, contents, strict=True) if not item.etag}
        if any(known.get(url) != entry for url, entry in told.items()):
            self.memory.write(DIGESTS, json.dumps(known | told).encode())
        return [
            {"source": item.source, "file": item.file, "size": item.size, "content": content}
            for item, content in zip(files, contents, strict=True)
        ]

    @cached_property
    def splits(self) -> list[Split]:
        """The splits, numbered; with a limit those of the first records only, and no file after them is opened."""
        splits = cut(self.files, self.split_bytes, boundary)
        if self.limit is None:
            return list(splits)
        step, _ = fuse([self.reader], SPLIT)
        return limited(splits, self.limit, lambda split: sum(batch.num_rows for batch in step(split.batch())))


def _told(item: InputFile, content: str) -> dict[str, Any]:
    return {"size": item.size, "changed": [*item.times], "content": content}


def _content(item: InputFile, known: Mapping[str, Any] | None) -> str:
    """An object store's etag, or a sha256, taken again when the file's times changed or are unknown."""
    if item.etag:
        return f"etag:{item.etag}"
    if known and item.times and known == _told(item, known["content"]):
        return str(known["content"])
    with opened(item.url, item.size) as file:
        digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # whatever is opened has readinto
    return f"sha256:{digest.hexdigest()}"
