"""What the fork server loads keeps two large libraries, of no use there, out of the workers, and from nobody else."""

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_tasks import Loaded

from pipelines.engines.pool import Pool
from pipelines.engines.preload import absent


def test_a_worker_loads_neither_pandas_nor_scipy(tmp_path: Path) -> None:
    with Pool(1) as pool:
        list(pool.run([Loaded(str(tmp_path / "loaded"))]))
    loaded = (tmp_path / "loaded").read_text().split()
    assert "numba.np.arraymath" in loaded
    assert not {"pandas", "scipy"} & set(loaded)


def test_who_asks_for_pandas_later_gets_it() -> None:
    pytest.importorskip("pandas")
    code = "from pipelines.engines import preload; import pyarrow as pa; pa.table({'a': [1]}).to_pandas()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_absent_comes_back() -> None:
    code = """
import sys
from pipelines.engines.preload import absent
with absent("colorsys", "json"):
    try:
        import colorsys
    except ModuleNotFoundError as error:
        assert error.name == "colorsys"
    else:
        raise AssertionError
    import json  # is loaded already, by pyarrow
import colorsys
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    n_finders = len(sys.meta_path)
    with pytest.raises(ZeroDivisionError), absent("a"):
        raise ZeroDivisionError
    assert len(sys.meta_path) == n_finders
