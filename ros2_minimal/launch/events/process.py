"""What can happen to a process."""

from typing import Any


class ProcessEvent:
    """Of one process; ``action`` is the action that began it."""

    def __init__(self, *, action: Any, name: str, cmd: list[str], pid: int):
        self.action = action
        self.process_name = name
        self.cmd = cmd
        self.pid = pid


class ProcessStarted(ProcessEvent):
    """A process has begun."""


class ProcessExited(ProcessEvent):
    """A process has ended; ``returncode`` is minus the signal's number if a signal ended it."""

    def __init__(self, *, returncode: int, **details: Any):
        super().__init__(**details)
        self.returncode = returncode
