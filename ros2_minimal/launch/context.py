"""What a launch knows while it runs: configurations, environment, event handlers."""

import asyncio
import os
from collections.abc import Iterable, MutableMapping
from types import SimpleNamespace
from typing import Any


class LaunchContext:
    """Shared by all actions of a launch."""

    def __init__(self, *, argv: Iterable[str] | None = None, noninteractive: bool = False):
        self.argv = list(argv or [])
        self.noninteractive = noninteractive
        self.launch_configurations: dict[str, Any] = {}
        self.environment: MutableMapping[str, str] = os.environ
        self.is_shutdown = False
        self.events: asyncio.Queue = asyncio.Queue()
        self.handlers: list[Any] = []
        self.completions: set[asyncio.Future] = set()
        self.locals_dict: dict[str, Any] = {}
        self._configuration_stack: list[dict[str, Any]] = []
        self._environment_stack: list[dict[str, str]] = []
        self.process_count = 0

    @property
    def locals(self) -> SimpleNamespace:
        """Values that hold while an event is handled, ``event`` among them."""
        return SimpleNamespace(**self.locals_dict)

    def get_locals_as_dict(self) -> dict[str, Any]:
        """The same as a dictionary."""
        return dict(self.locals_dict)

    def extend_locals(self, values: dict[str, Any]) -> None:
        """Add local values."""
        self.locals_dict.update(values)

    @property
    def asyncio_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the launch runs in."""
        return asyncio.get_running_loop()

    def perform_substitution(self, substitution: Any) -> str:
        """The substitution's text here."""
        return substitution.perform(self)

    def register_event_handler(self, handler: Any, append: bool = False) -> None:
        """Newest handlers come first, unless told to append."""
        self.handlers.insert(len(self.handlers) if append else 0, handler)

    def unregister_event_handler(self, handler: Any) -> None:
        """Take a handler away."""
        self.handlers.remove(handler)

    def emit_event_sync(self, event: Any) -> None:
        """Queue an event."""
        self.events.put_nowait(event)

    async def emit_event(self, event: Any) -> None:
        """Queue an event."""
        self.emit_event_sync(event)

    def add_completion_future(self, future: asyncio.Future) -> None:
        """Keep the launch running until this is done."""
        self.completions.add(future)

    def push(self, *, environment: bool = True) -> None:
        """Open a scope of configurations and, if wanted, of the environment."""
        self._configuration_stack.append(dict(self.launch_configurations))
        if environment:
            self._environment_stack.append(dict(self.environment))

    def pop(self, *, environment: bool = True) -> None:
        """Close the scope."""
        self.launch_configurations = self._configuration_stack.pop()
        if environment:
            before = self._environment_stack.pop()
            for name in set(self.environment) - set(before):
                del self.environment[name]
            self.environment.update(before)
