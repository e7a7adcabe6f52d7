"""The errors a user can meet.

    MillstreamError
      ConfigError      wrong before any work: bad threshold, unknown field, a source that cannot fill its share
        SchemaError    a stage reads a column that no stage before it writes
      ResourceError    a pinned file is missing, or its sha256 differs
      DataError        a shard is cut short, unsorted, or its checksum differs from the manifest
      LeaseError       another run is building this artifact, or has taken it over
      DriftError       name@version exists with another recipe
      GateError        a measure is outside its bound

A message says what, where and how to mend, in one line. One bad record is no exception: it is a row dropped with a
fault reason, read and counted like any other.
"""


class MillstreamError(Exception):
    """The root; `exit_code` is what the command line returns for it."""

    exit_code = 1


class ConfigError(MillstreamError):
    """Wrong before any work was done."""

    exit_code = 2


class SchemaError(ConfigError):
    """A plan whose stages do not fit together."""


class ResourceError(MillstreamError):
    """A pinned outside file is missing or is not the one that was pinned."""

    exit_code = 2


class DataError(MillstreamError):
    """Stored or incoming data is not what its record says, or too much of it is broken."""

    exit_code = 3


class LeaseError(MillstreamError):
    """Another run is building the artifact, or has taken it over from this one."""

    exit_code = 5


class DriftError(MillstreamError):
    """A released version exists and was made from another recipe."""

    exit_code = 2


class GateError(MillstreamError):
    """A measure is outside the bound that was set for it."""

    exit_code = 4
