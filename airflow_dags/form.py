"""The fields of the trigger form, each checked before anything runs."""

from airflow.sdk import Param

from pipelines.names import VERSION

LONGEST = 64
MOST_WORKERS = 4096


def version(default: str = "dev") -> Param:
    """The version that is built."""
    return Param(
        default, type="string", pattern=VERSION, maxLength=LONGEST, title="Version",
        description="dev is built again when the recipe changes; any other name is released for good.",
    )  # fmt: skip


def versions(title: str, description: str) -> Param:
    """Several of them; none leaves the choice to the DAG."""
    items = {"type": "string", "pattern": VERSION, "maxLength": LONGEST}
    return Param([], type="array", items=items, uniqueItems=True, title=title, description=description)


def machine() -> dict[str, Param]:
    """How much is done, and by how many."""
    return {
        "workers": Param(
            None, type=["null", "integer"], minimum=1, maximum=MOST_WORKERS, title="Workers",
            description="Processes; where it is empty, as many as the machine has cores.",
        ),
        "limit": Param(
            None, type=["null", "integer"], minimum=1, title="Limit",
            description="Only the first so many records of the archives, for a trial.",
        ),
    }  # fmt: skip


def engine() -> dict[str, Param]:
    """How corpora are built; the choice changes no result."""
    engines = ["local", "spark", "datatrove"]
    told = "All of them write the same bytes."
    return {"engine": Param("local", type="string", enum=engines, title="Engine", description=told), **machine()}


def trainer() -> dict[str, Param]:
    """Where models are trained."""
    return {
        "launcher": Param(
            "local", type="string", enum=["local", "slurm"], title="Launcher",
            description="local: the devices of Airflow's worker, by torchrun; slurm: as MILLSTREAM_SRUN says.",
        ),
        "devices": Param(
            1, type="integer", minimum=1, maximum=64, title="Devices", description="Of this host, where it is local."
        ),
    }  # fmt: skip
