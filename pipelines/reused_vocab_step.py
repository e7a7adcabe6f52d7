"""The step that takes over a vocabulary that another run has trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, ClassVar

from corpus.errors import ConfigError, DataError
from corpus.manifest import FileInfo, Manifest
from corpus.storage import Folder
from pipelines.artifact import Built, Place, Workshop
from pipelines.names import VOCAB
from pipelines.recipe import Recipe
from pipelines.sections import Reuse, Tokenizer
from pipelines.vocab_step import decides
from pipelines.wording import shown
from tokenizer import vocab
from tokenizer.specials import NATURAL


@dataclass(frozen=True)
class ReusedVocabStep:
    """The other run's files and measures. Its identity is what it is a copy of, wherever that lies."""

    asked: Recipe
    name: ClassVar[str] = VOCAB
    kind: ClassVar[str] = "vocabulary"
    inputs: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    @property
    def _tokenizer(self) -> Tokenizer:
        assert self.asked.tokenizer is not None
        return self.asked.tokenizer

    @cached_property
    def _place(self) -> Place:
        reuse = self._tokenizer.reuse
        assert reuse is not None
        return Place(Folder(reuse.root), reuse.version)

    @cached_property
    def original(self) -> Manifest:
        """What is copied; ConfigError where it is not there, or is not what the recipe asks for."""
        found = self._place.manifest(VOCAB)
        root, version = self._place.root.url, self._place.version
        if found is None:
            released = "" if version == Reuse.model_fields["version"].default else f" --version {version}"
            raise ConfigError(
                f"tokenizer.reuse: there is no {VOCAB}@{version} in {root}; make it with `millstream run RECIPE --only "
                f"{VOCAB} --root {root}{released}`, or name the run that has it"
            )
        ours, theirs = (_defaults(said) | said for said in (decides(self._tokenizer), found.recipe["tokenizer"]))
        for field in ours | theirs:
            if ours.get(field) != theirs.get(field):
                raise ConfigError(
                    f"tokenizer.{field} is {shown(ours.get(field))}, but {VOCAB}@{version} in {root} has "
                    f"{shown(theirs.get(field))}; write that, or reuse another vocabulary"
                )
        return found

    def raw_inputs(self) -> Mapping[str, Any]:
        """The original, by what it was made of and by its entries."""
        return {"reused": self.original.fingerprint, "digest": self.original.measures["digest"]}

    def recipe(self) -> Mapping[str, Any]:
        """The tokenizer section, as far as it decides entries."""
        return {"tokenizer": decides(self._tokenizer), "step_version": self.version}

    def plan(self, inputs: Mapping[str, Manifest]) -> None:
        """None: it is no corpus."""

    def build(self, shop: Workshop) -> Built:
        """Copies; DataError, with nothing written, where a file is not what the original's manifest says."""
        there = self._place.folder(VOCAB)
        if _location(there) == _location(shop.folder):
            raise ConfigError(f"tokenizer.reuse: {there.url} is this very vocabulary; name another run or version")
        infos = [info for shard in self.original.shards for info in shard.files.values()]
        contents = {info.file: _whole(there, info) for info in infos}
        shop.lease.check()
        for file, data in contents.items():
            shop.folder.write(file, data)
        if vocab.load(shop.folder, self._tokenizer.specials).digest != self.original.measures["digest"]:
            raise DataError(f"{there.url}: its manifest names another digest than its entries have; train it again")
        return Built(shards=self.original.shards, measures=self.original.measures)


def _defaults(said: Mapping[str, Any]) -> dict[str, Any]:
    """What `decides` leaves out, in the order in which it is compared."""
    return {"model": None, "vocab_size": None, "specials": NATURAL[said["model"]], "lowercase": True}


def _whole(folder: Folder, info: FileInfo) -> bytes:
    data = folder.read(info.file)
    if len(data) != info.size or sha256(data).hexdigest() != info.sha256:
        raise DataError(f"{folder.path(info.file)} is not what its manifest says; restore it, or train it again")
    return data


def _location(folder: Folder) -> str:
    return folder.url if folder.local is None else str(folder.local.resolve())
