"""Outside files that the stages load: pinned by sha256, shipped in corpus/data, each with its licence beside it.

They are opened in `Stage.open`, never fetched. Their sha256 is a part of an artifact's fingerprint, their path is not.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from corpus.errors import ResourceError

DATA = Path(__file__).resolve().parent / "data"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A file, what it must hash to, and whose it is; `file` is relative to corpus/data unless absolute."""

    name: str
    file: str
    sha256: str
    licence: str
    source: str

    def path(self) -> Path:
        """Where the file is, its sha256 checked once per process; ResourceError when it is missing or another."""
        return _checked(self)


@cache
def _checked(resource: Resource) -> Path:
    path = DATA / resource.file
    mend = f"reinstall millstream, or take the file from {resource.source}"
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ResourceError(f'resource "{resource.name}" cannot be read: {path}: {error.strerror}; {mend}') from error
    if found != resource.sha256:
        raise ResourceError(
            f'resource "{resource.name}" is not the pinned file: {path} has sha256 {found}, '
            f"pinned is {resource.sha256}; {mend}"
        )
    return path


LID176 = Resource(
    name="lid176",
    file="lid.176.ftz",
    sha256="8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
    licence="CC-BY-SA-3.0",
    source="https://fasttext.cc/docs/en/language-identification.html",
)
"""fastText's language identification model, 176 languages, product-quantized."""

BADWORDS = Resource(
    name="badwords",
    file="badwords.json",
    sha256="574d54cf2889a6a3907553e14a5b9c484f41061ccec5e4edab7c149977f5c51a",
    licence="CC-BY-4.0",
    source="https://github.com/LDNOOBW/List-of-Dirty-Naughty-Obscene-and-Otherwise-Bad-Words",
)
"""The word lists that C4 used: one JSON object {language: [words]}, 27 languages."""

EXTRACTOR = Resource(
    name="extractor",
    file="extractor.safetensors",
    sha256="159be9315189e3757417b1a8361430dcc9890778d135a1cb6fb1e5191ff9f1bc",
    licence="Apache-2.0",
    source="`make extractor`",
)
"""The learned extractor (corpus.html.model): trained from the gold pages that its metadata names."""
