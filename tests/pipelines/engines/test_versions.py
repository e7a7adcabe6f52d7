"""What must agree between hosts: told by name, complete, and the same in every process that is alike."""

import ast
import os
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from tiny_stages import DropWord

from corpus.errors import ConfigError, ResourceError
from corpus.plan import Map, Plan, Read
from corpus.resources import LID176, Resource
from corpus.schema import DOCUMENT
from pipelines.engines import versions
from pipelines.engines.versions import Environment, agree, modules_of, require_resources

ROOT = Path(__file__).resolve().parents[3]
HARMLESS = {"fsspec", "pydantic", "pydantic_core", "pandas", "pyspark", "datatrove", "ray", "psutil"}
"""Third-party modules that move, check or schedule, and decide no byte."""

ASK = """
import sys
from pipelines.engines.versions import Environment
print(Environment.here(tuple(sys.argv[1:])))
"""


def elsewhere(*modules: str, **environment: str) -> Environment:
    """The environment of a new process."""
    command = [sys.executable, "-c", ASK, *modules]
    done = subprocess.run(command, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=True)
    found: Environment = eval(done.stdout, {"Environment": Environment})
    return found


def test_a_process_agrees_with_one_like_it() -> None:
    there = elsewhere(PYTHONHASHSEED="7")
    assert there == Environment.here()
    agree(there, "h")


def test_another_library_is_named_with_both_versions(tmp_path: Path) -> None:
    other = tmp_path / "pyarrow-18.0.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: pyarrow\nVersion: 18.0.0\n")
    there = elsewhere(PYTHONPATH=str(tmp_path))
    with pytest.raises(ConfigError) as error:
        agree(there, "h")
    assert f"host h has pyarrow {metadata.version('pyarrow')}, the driver 18.0.0; install the same" in str(error.value)


def test_all_that_differs_is_told_at_once() -> None:
    here = Environment.here()
    there = replace(
        here, versions=tuple((name, "0" if name in {"Python", "numba"} else v) for name, v in here.versions)
    )
    with pytest.raises(
        ConfigError, match=r"host h has Python cpython 3\.\d+, the driver 0; numba .+, the driver 0; ins"
    ):
        agree(there, "h")


def test_a_users_own_module_is_compared(tmp_path: Path) -> None:
    module = tmp_path / "their_rules.py"
    module.write_text("x = 1\n")
    before = elsewhere("their_rules", PYTHONPATH=str(tmp_path))
    module.write_text("x = 2\n")
    after = elsewhere("their_rules", PYTHONPATH=str(tmp_path))
    missing = elsewhere("their_rules")
    found = [dict(environment.versions)["their_rules"] for environment in (before, after, missing)]
    assert len(set(found)) == 3
    with pytest.raises(ConfigError, match="host h has their_rules none, the driver sha256 "):
        agree(before, "h")


def read() -> Plan:
    return Read("pages", DOCUMENT)


def test_modules_of_a_plan_are_the_users() -> None:
    assert modules_of(Map(Map(read(), DropWord(word="a")), DropWord(word="b"))) == ("tiny_stages",)
    assert modules_of(read()) == ()


def test_the_source_is_all_that_makes_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["corpus/a.py", "corpus/text/b.py", "tokenizer/d.py", "pipelines/engines/e.py"]
    for name in [*names, "pipelines/report.py", "corpus/notes.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(versions, "HOME", tmp_path)
    seen = {versions._source_digest()}
    for name in names:
        (tmp_path / name).write_text("2")
        seen.add(versions._source_digest())
    assert len(seen) == len(names) + 1
    for name in ("pipelines/report.py", "corpus/notes.txt"):
        (tmp_path / name).write_text("2")
    assert versions._source_digest() in seen


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_every_library_that_makes_rows_is_compared_or_known_to_be_harmless() -> None:
    files = [path for package in versions.ROW_MAKERS for path in (ROOT / package).rglob("*.py")]
    files = [path for path in files if path.parent.name != "learn"]  # makes a resource, whose sha256 is compared
    modules: set[str] = set().union(*map(imported, files)) - sys.stdlib_module_names - HARMLESS
    modules -= {"corpus", "tokenizer", "pipelines"}
    provided = metadata.packages_distributions()
    compared = {name.lower() for name in versions.LIBRARIES}
    assert modules
    for module in modules:
        assert compared & {name.lower() for name in provided[module]}, module


class NeedsFile(DropWord):
    """Names a file that is not there."""

    resources: Any = (Resource(name="gone", file="gone.bin", sha256="0", licence="none", source="https://example.org"),)


def test_missing_resources_are_told_with_the_host() -> None:
    with pytest.raises(ResourceError, match=r'^host \S+: resource "gone" cannot be read: .*gone\.bin'):
        require_resources(Map(read(), NeedsFile(word="a")))


def test_resources_that_are_there_are_fine() -> None:
    assert LID176.path().exists()
    require_resources(Map(read(), DropWord(word="a")))
