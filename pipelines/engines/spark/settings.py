"""What a user may say about Spark: `master=spark://h:7077` and any key of Spark's own, as key=value."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from corpus.errors import ConfigError
from pipelines.wording import nearest

MASTER = "spark.master"
SUGGESTED = (
    "master",
    "spark.archives",
    "spark.cores.max",
    "spark.driver.memory",
    "spark.executor.cores",
    "spark.executor.instances",
    "spark.executor.memory",
    "spark.executor.pyspark.memory",
    "spark.local.dir",
    "spark.log.level",
    "spark.pyspark.python",
    "spark.sql.shuffle.partitions",
    "spark.task.maxFailures",
)
"""What a misspelt key is compared with: the keys that a run most likely needs. Any other `spark.*` passes too."""
MASTERS = re.compile(
    r"local(\[(\*|\d+)(, *\d+)?\])?|local-cluster\[[\d, ]+\]|spark://[^,]+:\d+(,[^,]+:\d+)*|yarn|k8s://.+"
)
"""The forms of a master that Spark documents."""


@dataclass(frozen=True)
class SparkSettings:
    """Spark's configuration as far as it was asked for, as (key, value); `master` is the key spark.master."""

    conf: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, said: Iterable[str]) -> Self:
        """Settings from key=value strings; ConfigError for an unknown key, one said twice, or no master's name."""
        conf: dict[str, str] = {}
        for setting in said:
            key, value = _parted(setting)
            if key in conf:
                raise ConfigError(f"Spark setting {setting}: {key} is set twice; leave one of them out")
            conf[key] = value
        if not MASTERS.fullmatch(conf.get(MASTER, "local")):
            raise ConfigError(
                f"Spark setting master={conf[MASTER]}: not a master; say local[4], spark://host:7077, yarn or "
                f"k8s://https://host:443"
            )
        return cls(tuple(conf.items()))


def _parted(setting: str) -> tuple[str, str]:
    key, equals, value = (part.strip() for part in setting.partition("="))
    if not equals or not value:
        raise ConfigError(f"Spark setting {setting}: write it as key=value, such as master=spark://host:7077")
    if key != "master" and not re.fullmatch(r"spark\.[\w.-]+", key):
        guess = nearest(key, SUGGESTED)
        raise ConfigError(f"Spark setting {setting}: unknown key{guess or ';'} known are master and spark.*")
    return MASTER if key == "master" else key, value
