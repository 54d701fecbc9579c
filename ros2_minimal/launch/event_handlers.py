"""What to do when something happens."""

from collections.abc import Callable, Iterable
from typing import Any

from launch.context import LaunchContext
from launch.entity import LaunchDescriptionEntity
from launch.events import Shutdown
from launch.events.process import ProcessEvent, ProcessExited, ProcessStarted

__all__ = ["EventHandler", "OnProcessExit", "OnProcessStart", "OnShutdown"]

Reaction = LaunchDescriptionEntity | Iterable[LaunchDescriptionEntity] | Callable[..., Any] | None


class EventHandler:
    """Entities, or a function that gives some, for events that match."""

    def __init__(
        self, *, matcher: Callable[[Any], bool], entities: Reaction = None, handle_once: bool = False
    ):
        self._matcher = matcher
        self._entities = entities
        self._handle_once = handle_once

    def matches(self, event: Any) -> bool:
        """Whether this event is meant."""
        return self._matcher(event)

    def handle(self, event: Any, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """Entities to visit."""
        if self._handle_once:
            context.unregister_event_handler(self)
        found = self._entities
        if callable(found):
            found = found(event, context)
        if found is None:
            return []
        return list(found) if isinstance(found, Iterable) else [found]


class _OnProcess(EventHandler):
    """For one process, for those that a function picks, or for all."""

    def __init__(self, kind: type[ProcessEvent], target_action: Any, entities: Reaction, handle_once: bool):
        def matches(event: Any) -> bool:
            if not isinstance(event, kind):
                return False
            if callable(target_action):
                return target_action(event.action)
            return target_action is None or event.action is target_action

        super().__init__(matcher=matches, entities=entities, handle_once=handle_once)


class OnProcessExit(_OnProcess):
    """When a process has ended; a function gets the event and the context."""

    def __init__(self, *, target_action: Any = None, on_exit: Reaction = None, handle_once: bool = False):
        super().__init__(ProcessExited, target_action, on_exit, handle_once)


class OnProcessStart(_OnProcess):
    """When a process has begun; a function gets the event and the context."""

    def __init__(self, *, target_action: Any = None, on_start: Reaction = None, handle_once: bool = False):
        super().__init__(ProcessStarted, target_action, on_start, handle_once)


class OnShutdown(EventHandler):
    """When the launch begins to end; a function gets the event and the context."""

    def __init__(self, *, on_shutdown: Reaction, handle_once: bool = False):
        super().__init__(
            matcher=lambda event: isinstance(event, Shutdown), entities=on_shutdown, handle_once=handle_once
        )
