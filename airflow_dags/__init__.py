"""When things are built: Airflow DAGs from the recipes. Nothing heavy is imported, for a scheduler reads DAGs over and
over; the work is done by `millstream` in processes of its own."""
