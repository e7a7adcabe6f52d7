"""The monthly crawl build, from a folder of archives a month to shards cut with the vocabulary that is there."""

from airflow_dags.monthly_build import monthly_build
from airflow_dags.site import Site

dag = monthly_build("monthly", sets=[f"tokenizer.reuse.root={Site.here().under('vocabulary')}"])
