"""The errors a run can end with, one class a cause, each with its own exit code.

Every message says what is wrong, which value it is, and what to do. Exit codes group by remedy:
10-19 the configuration, 20-29 the data, 30-39 an outage, 40-49 the machine, and 128 plus
its number a signal.
"""

from typing import ClassVar


class RecsysError(Exception):
    """Root of every error that is the input's or the environment's fault, not a bug."""

    exit_code: ClassVar[int] = 1


class ConfigError(RecsysError):
    """The configuration cannot be used: a field is missing, unknown or out of range."""

    exit_code = 10


class MappingError(ConfigError):
    """A configured table, collection or column does not exist in the source database, or has a type
    that is not taken."""

    exit_code = 11


class SettingsError(ConfigError):
    """An environment variable that the step needs is unset or malformed."""

    exit_code = 12


class RunNotThereError(ConfigError):
    """A run that should go live has no lists in Postgres."""

    exit_code = 13


class SourceRightsError(ConfigError):
    """The login may not read a source, or not all of its rows."""

    exit_code = 14


class SourceEncodingError(ConfigError):
    """The texts of a source database have no encoding that is known."""

    exit_code = 15


class PublishedSideError(ConfigError):
    """The database cannot be published to: not migrated, a right missing, a server that reads."""

    exit_code = 16


class DataError(RecsysError):
    """The data cannot be used as it is."""

    exit_code = 20


class NoEventsError(DataError):
    """No usable event lies before the requested as-of, or none that weighs anything."""

    exit_code = 21


class IncompleteReadError(DataError):
    """A read returned another number of rows than the server counted."""

    exit_code = 23


class MissingPartitionError(DataError):
    """A job needs a lake partition that no earlier job has written."""

    exit_code = 24


class ImportFileError(DataError):
    """A file handed to `recsys import` is missing or not in the expected form."""

    exit_code = 25


class SchemaError(DataError):
    """A table does not have the columns or types that its schema states."""

    exit_code = 26


class FutureDateError(DataError):
    """The requested date is not over, so what is known before it is not complete."""

    exit_code = 27


class ContractError(DataError):
    """A table breaks a rule of its contract that stops the run."""

    exit_code = 28


class HeldError(DataError):
    """The audit keeps a run from going live."""

    exit_code = 29


class OutageError(RecsysError):
    """A server that the run needs does not answer."""

    exit_code = 30


class PostgresUnavailableError(OutageError):
    """Postgres does not accept connections or broke one off."""

    exit_code = 31


class MongoUnavailableError(OutageError):
    """MongoDB does not answer within its time limit."""

    exit_code = 32


class SandboxError(OutageError):
    """An embedded server could not be started or stopped."""

    exit_code = 33


class LakeUnavailableError(OutageError):
    """The lake is elsewhere and cannot be reached."""

    exit_code = 34


class SparkLostError(OutageError):
    """Spark or one of its workers ended while it was at work."""

    exit_code = 35


class PostgresLockedError(OutageError):
    """Another session of Postgres holds for too long what a step needs."""

    exit_code = 36


class SinkUnavailableError(OutageError):
    """A place that lists are published to cannot be reached or written to."""

    exit_code = 37


class PrerequisiteError(RecsysError):
    """Something this machine must have is missing."""

    exit_code = 40


class LakeFileError(PrerequisiteError):
    """A file of the lake is damaged: cut short, changed, or not there any more."""

    exit_code = 42


class JavaMissingError(PrerequisiteError):
    """No Java runtime of a version that Spark supports is installed."""

    exit_code = 41


class DiskFullError(PrerequisiteError):
    """A disk that the run writes to has no room left."""

    exit_code = 43


class InterruptedRunError(RecsysError):
    """Ctrl-C ended the process; the code is the one that shells give it."""

    exit_code = 130


class TerminatedError(RecsysError):
    """SIGTERM ended the process; the code is the one that shells give it."""

    exit_code = 143
