"""The vocabulary that the shards of all months are cut with: its recipe's corpus, as far as a vocabulary needs it."""

from airflow_dags.from_recipe import dag_of
from pipelines.names import VOCAB

dag = dag_of("demo", dag_id="vocabulary", until=VOCAB)
