"""Actions that wait."""

import asyncio
from collections.abc import Iterable
from typing import Any

from launch.context import LaunchContext
from launch.entity import Action, LaunchDescriptionEntity
from launch.events import Shutdown
from launch.substitution import SomeSubstitutionsType, normalize, perform


class _TimeIsUp:
    """A timer has run out."""

    def __init__(self, timer: "TimerAction"):
        self.timer = timer


class TimerAction(Action):
    """Do something after a time in seconds, unless the launch ends before."""

    def __init__(
        self,
        *,
        period: float | SomeSubstitutionsType,
        actions: Iterable[LaunchDescriptionEntity],
        cancel_on_shutdown: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._period = normalize(str(period) if isinstance(period, (int, float)) else period)
        self._actions = list(actions)
        self._cancel_on_shutdown = cancel_on_shutdown
        self._done: asyncio.Future | None = None

    def sub_entities(self) -> Iterable[LaunchDescriptionEntity]:
        """The actions."""
        return self._actions

    def cancel(self) -> None:
        """Do not do it."""
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def execute(self, context: LaunchContext) -> None:
        """Start to wait."""
        from launch.event_handlers import EventHandler, OnShutdown

        period = float(perform(context, self._period))
        self._done = context.asyncio_loop.create_future()
        context.add_completion_future(self._done)
        context.asyncio_loop.call_later(period, self._ring, context)
        context.register_event_handler(
            EventHandler(matcher=self._is_mine, entities=lambda *_: self._actions, handle_once=True)
        )
        if self._cancel_on_shutdown:
            context.register_event_handler(OnShutdown(on_shutdown=self._on_shutdown))

    def _on_shutdown(self, event: Shutdown, context: LaunchContext) -> None:
        self.cancel()

    def _is_mine(self, event: Any) -> bool:
        return isinstance(event, _TimeIsUp) and event.timer is self

    def _ring(self, context: LaunchContext) -> None:
        if self._done is not None and not self._done.done():
            context.emit_event_sync(_TimeIsUp(self))
            self._done.set_result(None)
