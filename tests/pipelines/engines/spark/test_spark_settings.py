"""What may be said about Spark, and what a session is started with."""

import pytest

from corpus.errors import ConfigError
from pipelines.engines.spark.session import configuration
from pipelines.engines.spark.settings import SparkSettings


def test_any_key_of_sparks_passes() -> None:
    said = SparkSettings.of(["master=spark://h:7077", "spark.hadoop.fs.s3a.endpoint=http://h:9000/?a=b"])
    assert said.conf == (("spark.master", "spark://h:7077"), ("spark.hadoop.fs.s3a.endpoint", "http://h:9000/?a=b"))


def test_nothing_said_is_fine() -> None:
    assert SparkSettings.of([]).conf == ()


@pytest.mark.parametrize(
    ("said", "what"),
    [
        (["mastre=local"], "did you mean master?"),
        (["executor.memory=2g"], "did you mean spark.executor.memory?"),
        (["sparkexecutormemory=2g"], "did you mean spark.executor.memory?"),
        (["colour=red"], "unknown key; known are master and spark.*"),
        (["master"], "write it as key=value"),
        (["spark.ui.enabled="], "write it as key=value"),
        (["master=local", "spark.master=yarn"], "spark.master is set twice"),
        (["master=spark://h"], "not a master"),
        (["master=locals[2]"], "not a master"),
    ],
)
def test_mistakes_are_told(said: list[str], what: str) -> None:
    with pytest.raises(ConfigError) as error:
        SparkSettings.of(said)
    assert what in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("said", "master"),
    [
        ([], "local[3,4]"),
        (["master=local"], "local[1,4]"),
        (["master=local[2]"], "local[2,4]"),
        (["master=local[*]", "spark.task.maxFailures=7"], "local[*,7]"),
        (["master=local[2,1]"], "local[2,1]"),
        (["master=spark://h:7077,g:7077"], "spark://h:7077,g:7077"),
        (["master=yarn"], "yarn"),
        (["master=k8s://https://h:443"], "k8s://https://h:443"),
    ],
)
def test_tasks_are_tried_again_in_local_mode_too(said: list[str], master: str) -> None:
    assert configuration(SparkSettings.of(said), 3)["spark.master"] == master


def test_settings_win_over_defaults() -> None:
    conf = configuration(SparkSettings.of(["spark.ui.enabled=true", "spark.driver.extraJavaOptions=-Xss4m"]), 2)
    assert conf["spark.ui.enabled"] == "true"
    assert conf["spark.driver.extraJavaOptions"].endswith("log4j2.properties -Xss4m")


def test_a_cluster_gets_no_address_of_this_machine_only() -> None:
    assert "spark.driver.host" not in configuration(SparkSettings.of(["master=yarn"]), 2)
