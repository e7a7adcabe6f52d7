"""Which versions a run is about: those that its form names, else those that the events which started it speak of."""

from airflow.sdk import get_current_context, task
from airflow.sdk.exceptions import AirflowFailException

from airflow_dags.assets import versions_in


@task
def new_versions() -> list[str]:
    """The versions, in order; a run that was started by hand must name some."""
    context = get_current_context()
    found = context["params"]["versions"] or versions_in(context["triggering_asset_events"])
    if not found:
        raise AirflowFailException("this run was started by hand and names no version; name some in the trigger form")
    return list(found)
