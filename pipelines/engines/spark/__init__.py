"""Plans on Spark: what travels, the wide nodes as DataFrames, and checkpoints in any object store."""
