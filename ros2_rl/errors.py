"""Errors that a user can mend: one sentence that names the thing, the reason and the remedy."""


class Ros2RlError(Exception):
    """Base of all errors that are shown to the user as a sentence, without a traceback."""


class ConfigError(Ros2RlError):
    """A configuration file or argument is missing, unknown or contradictory."""


class ContractError(Ros2RlError):
    """A policy or an adapter does not fit the robot, the task or its base."""


class RecordError(Ros2RlError):
    """A record cannot be written or read, or lacks what is asked of it."""
