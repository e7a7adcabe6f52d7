"""The demonstration: from the sample that ships with the project to a trained model."""

from airflow_dags.from_recipe import dag_of

dag = dag_of("demo")
