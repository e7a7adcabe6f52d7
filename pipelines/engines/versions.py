"""What must be the same on the driver and on every host that runs tasks: what decides the bytes of an artifact."""

import hashlib
import inspect
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from corpus.errors import ConfigError, ResourceError
from corpus.plan import Plan, described, stages

HOME = Path(__file__).resolve().parents[2]
ROW_MAKERS = ("corpus", "tokenizer", "pipelines/engines")
"""The packages whose code makes rows; the others only say which."""
LIBRARIES = (
    "FastWARC",  # where a record ends
    "Resiliparse",  # what of a page is text
    "isal",  # what of a damaged archive can be read
    "lxml",  # what trafilatura sees
    "numba",  # hashes and pairs, what of a page is text, scores of languages
    "numpy",
    "pyarrow",  # the files
    "safetensors",  # the learned extractor
    "tokenizers",
    "trafilatura",  # asked by one tier of extraction
)


@dataclass(frozen=True)
class Environment:
    """What decides bytes in one Python process, as (name, version); `modules` are a user's own ones among the names."""

    versions: tuple[tuple[str, str], ...]
    modules: tuple[str, ...] = ()

    @staticmethod
    @cache
    def here(modules: tuple[str, ...] = ()) -> "Environment":
        """This process's; a few milliseconds the first time."""
        own = f"{_installed('millstream')}, source {_source_digest()[:12]}"
        python = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
        libraries = ((name, _installed(name)) for name in LIBRARIES)
        users = ((module, _module_digest(module)) for module in modules)
        return Environment((("millstream", own), ("Python", python), *libraries, *users), modules)


@cache
def agree(driver: Environment, host: str) -> None:
    """ConfigError with all that this process, on `host`, has otherwise than the driver."""
    here, there = dict(Environment.here(driver.modules).versions), dict(driver.versions)
    others = [f"{name} {here.get(name)}, the driver {there[name]}" for name in there if here.get(name) != there[name]]
    if others:
        raise ConfigError(
            f"host {host} has {'; '.join(others)}; install the same on both, or the files would depend on the host"
        )


def require_resources(plan: Plan) -> None:
    """ResourceError with this host's name unless every file that the plan's stages load is there, and is the pinned."""
    for stage in stages(plan):
        for resource in getattr(stage, "resources", ()):
            try:
                resource.path()
            except ResourceError as error:
                raise ResourceError(f"host {socket.gethostname()}: {error}") from error


def modules_of(plan: Plan) -> tuple[str, ...]:
    """The modules of a user's own rules and stages in the plan: what `Environment.here` takes."""
    return tuple(sorted(set(_modules(described(plan)))))


def _modules(value: Any) -> Iterator[str]:
    """Where a part of a described plan has a class and the hash of its module."""
    match value:
        case {"class": str(name), "source": str(_)}:
            yield name.partition(":")[0]
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _modules(item)


def _installed(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "none"


def _source_digest() -> str:
    """sha256 over the path and the content of every module that takes part in making rows."""
    files = [path for package in ROW_MAKERS for path in (HOME / package).rglob("*.py")]
    if not files:
        return "in an archive: install it there"
    digest = hashlib.sha256()
    for path in sorted(files):  # resources are asked for by name
        digest.update(f"{path.relative_to(HOME).as_posix()}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _module_digest(module: str) -> str:
    try:
        source = inspect.getsource(import_module(module))
    except (ImportError, OSError):
        return "none"
    return f"sha256 {hashlib.sha256(source.encode()).hexdigest()[:12]}"
