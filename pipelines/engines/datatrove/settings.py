"""The settings of the datatrove engine, from "key=value" words: which executor, and what that executor is to be told.

    executor=local    folder
    executor=slurm    folder partition time cpus_per_task mem_per_cpu_gb qos env_command condaenv venv_path
                      max_array_size, and any option of sbatch as sbatch.NAME=VALUE
    executor=ray      folder cpus_per_task mem_per_cpu_gb address

`folder` takes rows between phases, records and logs; every node must see it under the same absolute path. --workers
says how many ranks run at a time. The names are those of datatrove's executors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from corpus.errors import ConfigError
from pipelines.wording import listed, unknown

ExecutorName = Literal["local", "slurm", "ray"]
Count = Annotated[int, Field(ge=1)]
SBATCH = "sbatch."


@dataclass(frozen=True, kw_only=True)
class DatatroveSettings:
    """One executor's settings; those of the others are at their defaults."""

    executor: ExecutorName = "local"
    folder: str | None = None
    partition: str | None = None
    time: str | None = None
    cpus_per_task: Count = 1
    mem_per_cpu_gb: Count = 2  # datatrove's default
    qos: str | None = None
    env_command: str | None = None
    condaenv: str | None = None
    venv_path: str | None = None
    max_array_size: Count = 1001  # Slurm's own default of MaxArraySize, and datatrove's
    sbatch_args: tuple[tuple[str, str], ...] = ()
    address: str | None = None

    @staticmethod
    def parsed(given: Sequence[str]) -> "DatatroveSettings":
        """The settings; ConfigError for a word that is none of the executor's, a wrong value, or a lack."""
        pairs: dict[str, str] = {}
        for word in given:
            key, equals, value = word.partition("=")
            if not equals or key in pairs:
                raise ConfigError(f"--engine-set {word}: write each setting once, as key=value")
            pairs[key] = value
        executor = pairs.get("executor", "local")
        if executor not in KEYS:
            raise ConfigError(f"--engine-set executor: {unknown('executor', executor, EXECUTORS, 'Executors here')}")
        sbatch = {key: pairs.pop(key) for key in [*pairs] if key.startswith(SBATCH) and executor == "slurm"}
        for key in pairs:
            if key not in KEYS[executor]:
                raise ConfigError(
                    f"--engine-set {key}: {unknown('setting', key, KEYS[executor], f'With executor={executor}')}"
                )
        values = pairs | {"sbatch_args": tuple((key.removeprefix(SBATCH), sbatch[key]) for key in sorted(sbatch))}
        try:
            settings = TypeAdapter(DatatroveSettings).validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigError(f"--engine-set {first['loc'][0]}={first['input']}: {first['msg']}") from error
        return settings._complete()

    def _complete(self) -> "DatatroveSettings":
        if self.folder is not None and not Path(self.folder).is_absolute():
            raise ConfigError(f"--engine-set folder={self.folder}: must be absolute, for other processes open it too")
        needed = {"slurm": ("folder", "partition", "time"), "ray": ("folder",) if self.address else ()}
        lacking = [key for key in needed.get(self.executor, ()) if getattr(self, key) is None]
        if lacking:
            raise ConfigError(
                f"--engine-set executor={self.executor} needs {listed(lacking)} too"
                + ("; folder=PATH is one that all nodes see under that path" if "folder" in lacking else "")
            )
        return self


EXECUTORS = get_args(ExecutorName)
_ALL = ("executor", "folder")
_OF_SLURM = [field.name for field in fields(DatatroveSettings) if field.name not in ("sbatch_args", "address")]
KEYS = {"local": _ALL, "slurm": _OF_SLURM, "ray": (*_ALL, "cpus_per_task", "mem_per_cpu_gb", "address")}
"""What may be said to which executor."""
