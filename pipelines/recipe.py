"""A recipe, read and checked: YAML 1.2, the command line's overrides laid over it, the models of sections.py.

    load("demo")                                            a recipe that ships with the project
    load("my/web.yaml", ["corpus.rules.0.min_words=3"])     one of the user's, with a value set over it

Whatever is wrong is a ConfigError of one line: where it was written, the dotted path, what is wrong, how to mend it.

Files and folders (FILES): what is no URL and not absolute is relative to the recipe's folder; in a shipped recipe to
the project's root, where `samples/` lies; in a --set to the current folder. They come out absolute.
"""

import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from corpus.errors import ConfigError
from pipelines import yaml12
from pipelines.places import Places, dotted
from pipelines.rules import build_rules
from pipelines.sections import Recipe, Sourced
from pipelines.wording import listed, nearest, shown

__all__ = ["Recipe", "build_rules", "laid_over", "load", "load_as", "path_of", "shipped", "text_of"]

_SHIPPED = Path(__file__).resolve().parent / "recipes"
_ROOT = Path(__file__).resolve().parents[1]

EACH = "*"
FILES = (
    ("sources", EACH, "paths", EACH),
    ("corpus", "against", "versions", EACH, "root"),
    ("tokenizer", "reuse", "root"),
    ("evaluation", "data"),
    ("evaluation", "neutral", EACH, EACH),
)
"""Where recipes name files and folders."""


def load(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a shipped name, or of a path that ends in .yaml; an override is `dotted.path=value`.

    Sources may still be without paths, so that every recipe can be planned: see `Recipe.require_inputs`.
    """
    return load_as(Recipe, name_or_path, overrides)


Asked = TypeVar("Asked", bound=Sourced)


def load_as(kind: type[Asked], name_or_path: str, overrides: Sequence[str] = ()) -> Asked:
    """A recipe of a kind, as `load` reads them."""
    text, file, folder = _found(str(name_or_path))
    document = _read(text, file)
    data, places = document.data, Places(file=file, lines=document.lines)
    for said in overrides:
        data, places = _overridden(data, places, said)
    if isinstance(data, dict) and ("arms" in data) != ("arms" in kind.model_fields):
        what = "an ablation, for `millstream ablate`" if "arms" in data else "no ablation: it has no arms"
        raise ConfigError(f"{file}: is {what}")
    data = _with_absolute_paths(data, places, folder)
    try:
        recipe = kind.model_validate(data)
    except ValidationError as error:
        raise places.first_error(error, data) from error
    build_rules(recipe.corpus.rules, places)
    return recipe


def shipped(kind: str = "") -> list[str]:
    """Names of the recipes that ship with the project; those of "ablations" are a kind of their own."""
    return sorted(path.stem for path in (_SHIPPED / kind).glob("*.yaml"))


def text_of(name: str) -> str:
    """The text of a shipped recipe, comments included, to start one's own from."""
    found = [path for path in (_SHIPPED / f"{name}.yaml", _SHIPPED / "ablations" / f"{name}.yaml") if path.is_file()]
    if not found:
        known = [*shipped(), *shipped("ablations")]
        raise ConfigError(f"no recipe {name}{nearest(name, known) or ';'} shipped: {listed(known)}")
    return found[0].read_text(encoding="utf-8")


def _found(name_or_path: str) -> tuple[str, str, Path]:
    """Its text, what to call it in messages, and the folder that its paths are relative to."""
    path = Path(name_or_path).expanduser()
    if path.suffix not in {".yaml", ".yml"}:
        if path.name != name_or_path:
            raise ConfigError(f"{name_or_path}: a recipe's file ends in .yaml")
        try:
            return text_of(name_or_path), f"{name_or_path}.yaml", _ROOT
        except ConfigError as error:
            raise ConfigError(f"{error}. One of your own is named by its path: ./{name_or_path}.yaml") from None
    try:
        with path.open("rb") as file:
            content = file.read(yaml12.MAX_BYTES + 1)
        if len(content) > yaml12.MAX_BYTES:
            raise ConfigError(f"{name_or_path}: above {yaml12.MAX_BYTES:,} bytes; a recipe is smaller")
        return content.decode("utf-8"), name_or_path, path.resolve().parent
    except OSError as error:
        raise ConfigError(f"{name_or_path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name_or_path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error


def _read(text: str, file: str) -> yaml12.Document:
    try:
        return yaml12.read(text)
    except yaml12.Yaml12Error as error:
        raise ConfigError(f"{file}:{error.line}: {error.what}") from error


def _overridden(data: Any, places: Places, said: str) -> tuple[Any, Places]:
    """The data with one `dotted.path=value` laid over it, and the places that know of it."""
    target, equals, text = said.partition("=")
    steps = target.strip().split(".")
    if not equals or not all(steps):
        raise ConfigError(f"--set {said}: write it as dotted.path=value, corpus.language.min_score=0.5")
    try:
        value = yaml12.read(text).data
    except yaml12.Yaml12Error as error:
        raise ConfigError(f"--set {said}: the value is not YAML: {error.what}") from error
    path = path_of(data, steps, f"--set {said}")
    overrides = (*places.overrides, (path, said))
    return laid_over(data, path, value), Places(file=places.file, lines=places.lines, overrides=overrides)


def path_of(data: Any, steps: Sequence[str], where: str) -> yaml12.Path:
    """The steps with numbers where they go into a list; a mapping may lack the step, or be null. A ConfigError begins
    with `where`."""
    path: yaml12.Path = ()
    for step in steps:
        if isinstance(data, list):
            if not step.isdecimal() or int(step) >= len(data):
                places_here = f"0 to {len(data) - 1}" if data else "none: it is empty"
                raise ConfigError(f"{where}: {dotted(path)} is a list; places in it: {places_here}")
            path, data = (*path, int(step)), data[int(step)]
        elif data is None or isinstance(data, dict):
            path, data = (*path, step), (data or {}).get(step)
        else:
            raise ConfigError(f"{where}: {dotted(path)} is {shown(data)}; it has nothing inside to set")
    return path


def laid_over(data: Any, path: yaml12.Path, value: Any) -> Any:
    """The data with a value at the path, a copy along it: what an alias shares with another place stays there as it
    is."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(data, list):
        return [laid_over(item, rest, value) if at == step else item for at, item in enumerate(data)]
    below = data or {}
    return {**below, step: laid_over(below.get(step), rest, value)}


def _with_absolute_paths(data: Any, places: Places, folder: Path) -> Any:
    """The data with absolute names of files: relative to the current folder where the command line has set them."""

    def absolute(path: yaml12.Path, said: str) -> str:
        if not said or "://" in said:
            return said
        beside = str(Path.cwd() if places.overridden(path) else folder)
        is_pattern = path[0] == "sources"  # a folder's own name is none, whatever characters it has
        return str(Path(glob.escape(beside) if is_pattern else beside) / Path(said).expanduser())

    for names in FILES:
        data = _mapped(data, names, absolute)
    return data


def _mapped(data: Any, names: Sequence[str], change: Callable[[yaml12.Path, str], str], path: yaml12.Path = ()) -> Any:
    """The data with each string that the names lead to changed; EACH is every item of a list or a mapping."""
    if not names:
        return change(path, data) if isinstance(data, str) else data
    step, rest = names[0], names[1:]
    if isinstance(data, list) and step == EACH:
        return [_mapped(item, rest, change, (*path, at)) for at, item in enumerate(data)]
    if isinstance(data, dict):
        keys = [key for key in data if step in (EACH, key)]
        return data | {key: _mapped(data[key], rest, change, (*path, key)) for key in keys}
    return data
