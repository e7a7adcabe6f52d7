"""Settings are closed: what an executor does not know is refused, with the nearest name."""

import pytest

from corpus.errors import ConfigError
from pipelines.engines.datatrove.settings import DatatroveSettings

SLURM = ["executor=slurm", "folder=/shared/x", "partition=cpu", "time=10:00"]


def test_without_words_it_is_the_local_executor() -> None:
    assert DatatroveSettings.parsed([]) == DatatroveSettings(executor="local")


def test_slurm() -> None:
    settings = DatatroveSettings.parsed([*SLURM, "mem_per_cpu_gb=4", "sbatch.constraint=a=b", "sbatch.account=me"])
    assert (settings.time, settings.mem_per_cpu_gb) == ("10:00", 4)
    assert settings.sbatch_args == (("account", "me"), ("constraint", "a=b"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["executor"], "executor: write each setting once, as key=value"),
        (["folder=/a", "folder=/b"], "folder=/b: write each setting once"),
        (["executor=slrum"], "unknown executor; did you mean slurm"),
        ([*SLURM, "partiton=cpu"], "unknown setting; did you mean partition"),
        (["partition=cpu"], "partition: unknown setting; With executor=local: executor, folder"),
        ([*SLURM, "sbatch_args=x"], "unknown setting"),
        (["executor=ray", "sbatch.account=me"], "sbatch.account: unknown setting"),
        ([*SLURM, "cpus_per_task=0"], "cpus_per_task=0: Input should be greater than or equal to 1"),
        ([*SLURM, "cpus_per_task=two"], "cpus_per_task=two: Input should be a valid integer"),
        (["folder=here"], "folder=here: must be absolute"),
        (["executor=slurm", "time=10:00"], "needs folder, partition too; folder=PATH is one that all nodes see"),
        (["executor=ray", "address=auto"], "needs folder too; folder=PATH"),
    ],
)
def test_what_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DatatroveSettings.parsed(words)
    assert message in str(caught.value)
