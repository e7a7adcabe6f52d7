"""Whether a month's corpus may be used."""

from airflow_dags.quality_gate import quality_gate

dag = quality_gate("monthly_gate", dag_id="quality_gate", built_by="monthly", recipe="monthly")
