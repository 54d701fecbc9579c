"""What can happen in a launch."""

from launch.events import process

__all__ = ["Event", "Shutdown", "process"]


class Event:
    """Something that happened."""

    name = "launch.Event"


class Shutdown(Event):
    """The launch ends."""

    name = "launch.events.Shutdown"

    def __init__(self, *, reason: str = "reason not given", due_to_sigint: bool = False):
        self.reason = reason
        self.due_to_sigint = due_to_sigint
