"""Whether Spark can start on this machine, found out before it is tried: Spark's own words for it are long traces."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from corpus.errors import ConfigError, MillstreamError

OLDEST = (3, 5)
"""The first pyspark whose `mapInArrow` runs with numpy 2 and pyarrow 18."""
JAVA = {3: 8, 4: 17}
"""The oldest Java of each Spark, by its documentation ("Downloading")."""
EXTRA = "pip install 'millstream[spark]'"
REACH_SECONDS = 10


def require_pyspark() -> None:
    """ConfigError unless this interpreter has a pyspark that serves, and the pandas and pyarrow that it asks for."""
    try:
        import pyspark
    except ImportError as error:
        raise ConfigError(f"the spark engine needs pyspark, and {sys.executable} has none: {EXTRA}") from error
    if _numbers(pyspark.__version__)[:2] < OLDEST:
        raise ConfigError(f"pyspark {pyspark.__version__} is too old, 3.5 is the oldest that serves: {EXTRA}")
    home = Path(os.environ.get("SPARK_HOME") or pyspark.__path__[0])
    cores = sorted(home.glob("jars/spark-core_*.jar"))
    if not cores:
        raise ConfigError(
            f"{home} holds no Spark (SPARK_HOME, or a pyspark-client that took pyspark's place): unset SPARK_HOME, "
            f"and pip install --force-reinstall pyspark"
        )
    jars = cores[0].stem.rpartition("-")[2]
    if _numbers(jars)[:2] != _numbers(pyspark.__version__)[:2]:
        raise ConfigError(f"SPARK_HOME is Spark {jars}, but pyspark is {pyspark.__version__}; make them the same")
    try:
        from pyspark.sql.pandas.utils import require_minimum_pandas_version, require_minimum_pyarrow_version

        require_minimum_pandas_version()
        require_minimum_pyarrow_version()
    except ImportError as error:
        raise ConfigError(f"pyspark {pyspark.__version__} lacks a library: {error}: {EXTRA}") from error


def require_java() -> None:
    """ConfigError unless the java that Spark would start is there and new enough."""
    import pyspark

    oldest = JAVA.get(_numbers(pyspark.__version__)[0], max(JAVA.values()))
    mend = f"Spark {pyspark.__version__} needs Java {oldest} or newer; install one or set JAVA_HOME to where one is"
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    if java is None:
        raise ConfigError(f"JAVA_HOME is {home}, where there is no bin/java; {mend}" if home else f"no java; {mend}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found is None or int(found[1]) < oldest:
        raise ConfigError(f"{java} is {found[1] if found else 'no working Java'}; {mend}")


def require_reachable(master: str) -> None:
    """MillstreamError when none of a standalone cluster's masters takes a connection; Spark would try for a minute.
    What is not there now may be there later, so it counts as the machine's fault."""
    tried = []
    for address in master.removeprefix("spark://").split(",") if master.startswith("spark://") else ():
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS).close()
        except OSError as error:
            tried.append(f"{address}: {error.strerror or error}")
        else:
            return
    if tried:
        raise MillstreamError(f"no Spark master answers at {master} ({'; '.join(tried)}); is it running, is it there?")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
