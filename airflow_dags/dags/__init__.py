"""The folder that Airflow reads: a file for each DAG that ships."""
