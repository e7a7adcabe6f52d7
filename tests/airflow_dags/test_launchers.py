"""Tasks that reach clusters: a real Spark, a real Slurm of two hosts, and the ranks of one host, each started by the
words that a place has for it."""

import json
import shlex
import shutil
import socket
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_run import archive, millstream, outside, prose
from spark_cluster import APP_CONF, Cluster, cluster

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(sys.executable).parent
TRAINING = """
name: ranks
seed: 17
sources: {web: {format: warc, paths: [web.warc.gz]}}
corpus: {}
mix: {weights: {web: 1.0}, budget: {bytes: 18_000}, max_epochs: 1}
tokenizer: {model: bpe-bytes, vocab_size: 300}
training:
  model: {family: llama, layers: 1, width: 32, heads: 2, ffn: 64}
  objective: causal
  context: 64
  steps: 6
  batch_rows: 8
  precision: 32-true
  run: {accelerator: cpu, threads: 1}
"""
Run = Callable[..., dict[str, str]]
ONCE = {"retries": 0}
"""`DAG.test` waits out the minute before a retry."""
pytestmark = pytest.mark.slow


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder under which DAGs of this place build."""
    monkeypatch.setenv("MILLSTREAM_ROOT", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def recipe(tmp_path: Path, runs: Path) -> Path:
    """A small recipe; all that its model is made from lies where the DAGs `by_hand` and `by_dag` build."""
    archive(tmp_path / "web.warc.gz", [prose(subject) for subject in ("castle", "harbour", "forest", "script")])
    path = tmp_path / "ranks.yaml"
    path.write_text(TRAINING)
    said = millstream("run", path, "--only", "tokens/main", "--root", runs / "by_hand")
    assert said.code == 0, said.err
    shutil.copytree(runs / "by_hand", runs / "by_dag")
    return path


def applications(found: Cluster) -> list[str]:
    """How each application ended that the master has seen, in order."""
    with urllib.request.urlopen(found.state_url, timeout=5) as answer:
        said = json.load(answer)
    assert not said["activeapps"]
    return [app["state"] for app in sorted(said["completedapps"], key=lambda app: app["starttime"])]


def manifests(root: Path) -> dict[str, bytes]:
    """Every manifest under a root, by the artifact's folder."""
    return {str(path.parent.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("manifest.json"))}


def model(root: Path) -> dict[str, bytes]:
    """What a training by so many ranks always writes alike."""
    folder = root / "checkpoint" / "main" / "dev"
    return {name: (folder / name).read_bytes() for name in ("manifest.json", "model.safetensors")}


def trainer(root: Path) -> tuple[str, str, int]:
    """Who trained the model: the holder and the host of the lease, the number of ranks."""
    folder = root / "checkpoint" / "main" / "dev"
    lease = json.loads((folder / "run" / "lease-000001.json").read_bytes())
    return lease["holder"].split()[0], lease["host"], json.loads((folder / "run.json").read_bytes())["ranks"]


def corpora(until: str, sets: list[str], settings: dict[str, list[str]]) -> Any:
    """A DAG of the first corpora of the recipe that ships."""
    from airflow_dags.from_recipe import dag_of

    return dag_of("demo", dag_id="by_dag", until=until, sets=sets, settings=settings, task_options=ONCE)


def trained(run_dag: Run, recipe: Path, **asked: Any) -> None:
    """Trains on the shards that lie where `by_dag` builds."""
    from airflow_dags.pretraining import pretraining

    dag = pretraining(str(recipe), dag_id="pretraining", built_by="by_dag", task_options=ONCE)
    made = run_dag(dag, versions=["dev"], **asked)
    assert made == {"new_versions": "success", "model.checkpoint.main[0]": "success"}


def test_builds_on_a_spark_cluster(runs: Path, run_dag: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = ["corpus.dedup=[{method: exact}]"]
    words = ["--root", runs / "by_hand", "--limit", 60, "--only", "corpus/deduped", "--set", *sets]
    said = millstream("run", "demo", *words)
    assert said.code == 0, said.err
    with cluster(tmp_path / "cluster") as found:
        confs = [word for key, value in APP_CONF.items() for word in ("--conf", f"{key}={value}")]
        submit = ["env", f"PYSPARK_PYTHON={sys.executable}", str(HERE / "spark-submit"), "--master", found.url]
        with monkeypatch.context() as place:
            place.setenv("MILLSTREAM_SPARK_SUBMIT", shlex.join([*submit, *confs, str(ROOT / "pipelines/__main__.py")]))
            made = run_dag(corpora("corpus/pages", sets, {}), engine="spark", limit=60)
        assert set(made.values()) == {"success"}
        assert applications(found) == ["FINISHED"] * 2
        # without spark-submit the driver is the task's own process
        made = run_dag(corpora("corpus/deduped", sets, {"spark": found.settings}), engine="spark", limit=60)
        assert set(made.values()) == {"success"}
        assert set(applications(found)[2:]) == {"FINISHED"}
    expected = manifests(runs / "by_hand")
    assert len(expected) == 3
    assert manifests(runs / "by_dag") == expected


def test_trains_on_two_hosts_of_slurm(
    runs: Path, recipe: Path, run_dag: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests" / "training")
    from test_two_hosts_slurm import DAEMONS, slurm

    if not all(map(shutil.which, DAEMONS)):
        pytest.skip("needs munge and slurm-wlm installed")
    srun = ["srun", "--nodes=2", "--ntasks-per-node=1", "--kill-on-bad-exit=1", str(HERE / "millstream")]
    with slurm(tmp_path / "slurm") as found:
        found.told(*srun, "train", recipe, "--root", runs / "by_hand")
        conf = f"SLURM_CONF={found.folder / 'slurm.conf'}"
        # not into the host's list of processes: nsenter would stay between, and pass no signal on to srun
        on_alpha = ["nsenter", f"--target={found.alpha.first_process}", "--net", "--uts", "--mount", "env", conf]
        monkeypatch.setenv("MILLSTREAM_SRUN", shlex.join([*on_alpha, *srun]))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        trained(run_dag, recipe, launcher="slurm")
    assert trainer(runs / "by_dag") == ("airflow", "alpha", 2)
    assert model(runs / "by_dag") == model(runs / "by_hand")


def test_trains_on_two_devices_of_this_host(runs: Path, recipe: Path, run_dag: Run) -> None:
    done = outside("train", recipe, "--root", runs / "by_hand", "--devices", 2)
    assert done.returncode == 0, done.stderr
    trained(run_dag, recipe, launcher="local", devices=2)
    assert trainer(runs / "by_dag") == ("airflow", socket.gethostname(), 2)
    assert model(runs / "by_dag") == model(runs / "by_hand")
