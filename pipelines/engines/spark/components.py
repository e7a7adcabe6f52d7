"""Connected components on Spark: alternating large-star and small-star (Kiveris et al. 2014, "Connected Components in
MapReduce and Beyond"), on ids as they are, round by round through spilled rows.

An edge points from the larger id to the smaller. A round of the edges d-c, c-a, d-b:

    large-star   an edge's end gives way to the smallest id that it points to itself           d-a, c-a, d-b
    small-star   an id keeps the smallest that it points to, and its others point to that one  d-a, c-a, b-a

It is done when every id points to one other and that one to none: stars, with the smallest ids in the middle.
No step holds the neighbours of an id in memory; those of a hub are split (join) or spill (window).
"""

from collections.abc import Callable
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from corpus.plan import EDGE
from corpus.storage import Folder
from pipelines.engines.spark.spill import n_spilled, spilled, unspill

PAIR = pa.schema([("id", pa.string()), ("first", pa.string())])  # first < id
LATEST = "latest-round"


def components(
    spark: SparkSession, folder: Folder, make: Callable[[], DataFrame], said: Callable[[int, int], None]
) -> DataFrame:
    """The rows of a Components node over the edges of `make()`, in no order: one per (shard, row), `first` the smallest
    id of its component, `n` the number of rows that the component has.

    They are read from the folder, which the caller discards in the end; a killed run goes on from its latest round.
    `said` hears the number of a round that stands and how many edges it left, before the round before it is taken away;
    what it raises ends the work.
    """
    edges = spilled(spark, folder, "edges", make, EDGE)
    number = int(folder.found(LATEST) or 0)
    pairs = spilled(spark, folder, f"round-{number}", lambda: _pairs(edges), PAIR)
    said(number, n_spilled(folder, f"round-{number}"))
    while not _settled(pairs):
        pairs = spilled(spark, folder, f"round-{number + 1}", partial(_round, pairs), PAIR)
        folder.write(LATEST, str(number + 1).encode())
        said(number + 1, n_spilled(folder, f"round-{number + 1}"))
        unspill(folder, f"round-{number}")
        number += 1
    return _labelled(edges, pairs)


def _pairs(edges: DataFrame) -> DataFrame:
    """Each edge once, from the larger id to the smaller."""
    ends = edges.select(F.greatest("id", "first").alias("id"), F.least("id", "first").alias("first"))
    return ends.where(F.col("id") != F.col("first")).distinct()


def _round(pairs: DataFrame) -> DataFrame:
    """Large-star, then small-star; there are never more edges than before."""
    beyond = pairs.groupBy(F.col("id").alias("first")).agg(F.min("first").alias("least"))
    lifted = pairs.join(beyond, "first", "left").select("id", F.coalesce("least", "first").alias("first"))
    least = F.min("first").over(Window.partitionBy("id"))
    other = F.when(F.col("first") == F.col("least"), F.col("id")).otherwise(F.col("first"))
    return lifted.withColumn("least", least).select(other.alias("id"), F.col("least").alias("first")).distinct()


def _settled(pairs: DataFrame) -> bool:
    """Whether the edges are stars: no id has two edges that leave it, none has one that leaves and one that arrives."""
    ends = pairs.select(F.expr("stack(2, id, 1, 0, first, 0, 1) AS (id, leaves, arrives)"))
    busy = ends.groupBy("id").agg((F.sum("leaves") + F.max("arrives")).alias("n")).where("n > 1")
    return busy.isEmpty()


def _labelled(edges: DataFrame, stars: DataFrame) -> DataFrame:
    """The rows of the edges with the middles of their stars, and how many rows each star has."""
    rows = edges.groupBy("shard", "row").agg(F.min("id").alias("id"))
    firsts = rows.join(stars, "id", "left").select("id", "shard", "row", F.coalesce("first", "id").alias("first"))
    return firsts.withColumn("n", F.count(F.lit(1)).over(Window.partitionBy("first")))
