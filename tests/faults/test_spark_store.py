"""Archives and corpora on S3 (moto's server) behind a proxy that is slow and refuses requests: the same data files."""

from pathlib import Path

import pytest
import s3fs
from on_spark import OnSpark, corpora
from slow_store import Weather, aws_environment, moto, slow_store
from small_run import Finished

pytestmark = pytest.mark.slow
THROTTLING = Weather(delay=0.02, refused=0.1)


def files(found: dict[str, bytes]) -> dict[str, bytes]:
    """What does not depend on how inputs are identified: by sha256 on a disk, by etag there."""
    return {path: data for path, data in found.items() if "/data/" in path or "/rejects/" in path}


def test_same_files_from_a_throttling_store(
    spark: OnSpark, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with moto() as behind, slow_store(behind, THROTTLING) as store:
        variables = aws_environment(store.port)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        fs = s3fs.S3FileSystem(endpoint_url=f"http://127.0.0.1:{behind}", skip_instance_cache=True)
        fs.mkdir("corpora")
        fs.put(f"{spark.recipe.parent}/web/", "corpora/in/web/", recursive=True)
        there = [f"spark.executorEnv.{name}={value}" for name, value in variables.items()]
        paths = ("--set", 'sources.web.paths=["s3://corpora/in/web/*.warc.gz"]')
        done = spark.run("s3://corpora/out", *paths, settings=there)
        assert done.returncode == 0, done.stderr
        assert store.outcomes["refused"] > 10
        names = [name for name in fs.find("corpora/out") if name.startswith("corpora/out/corpus/")]
        there_now = {name.removeprefix("corpora/out/"): fs.cat_file(name) for name in names}
    assert files(there_now) == files(corpora(finished.root))
