"""A model for each month's shards."""

from airflow_dags.pretraining import pretraining

dag = pretraining("monthly", dag_id="pretraining", built_by="monthly")
