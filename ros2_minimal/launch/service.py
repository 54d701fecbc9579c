"""Runs launch descriptions: visits them, hands out events, ends everything in order."""

import asyncio
import signal
from collections.abc import Iterable

from launch import screen
from launch.context import LaunchContext
from launch.entity import LaunchDescription, visit_all
from launch.events import Shutdown


class LaunchService:
    """One launch."""

    def __init__(
        self, *, argv: Iterable[str] | None = None, noninteractive: bool = False, debug: bool = False
    ):
        self.context = LaunchContext(argv=argv, noninteractive=noninteractive)
        self._debug = debug
        self._descriptions: list[LaunchDescription] = []
        self._status = 0
        self._told_shutdown = False

    def include_launch_description(self, launch_description: LaunchDescription) -> None:
        """Add a description to run."""
        self._descriptions.append(launch_description)

    def run(self, *, shutdown_when_idle: bool = True) -> int:
        """Run until all has ended; 0, or 1 if anything was raised or SIGTERM came."""
        return asyncio.run(self.run_async(shutdown_when_idle=shutdown_when_idle), debug=self._debug)

    async def run_async(self, *, shutdown_when_idle: bool = True) -> int:
        """The same within a running loop."""
        self.context.events = asyncio.Queue()
        self._handle_signals()
        for description in self._descriptions:
            self._try(visit_all, description, self.context)
        while not self._is_done(shutdown_when_idle):
            await self._wait()
            self._prune()
            while not self.context.events.empty():
                self._handle(self.context.events.get_nowait())
        return self._status

    def shutdown(self, reason: str = "shutdown() called") -> None:
        """End the launch."""
        self._shutdown(reason)

    def _is_done(self, shutdown_when_idle: bool) -> bool:
        if self.context.completions or not self.context.events.empty():
            return False
        if not self.context.is_shutdown and shutdown_when_idle:
            self._shutdown("idle")
            return False
        return self.context.is_shutdown

    async def _wait(self) -> None:
        """Until an event is queued or something that runs has ended."""
        news = asyncio.ensure_future(self.context.events.get())
        await asyncio.wait({news, *self.context.completions}, return_when=asyncio.FIRST_COMPLETED)
        if news.done():
            self._handle(news.result())
        else:
            news.cancel()

    def _prune(self) -> None:
        for future in [future for future in self.context.completions if future.done()]:
            self.context.completions.discard(future)
            if not future.cancelled() and (error := future.exception()) is not None:
                self._failed(error)

    def _handle(self, event: object) -> None:
        if isinstance(event, Shutdown):
            if self._told_shutdown:
                return
            self.context.is_shutdown = self._told_shutdown = True
        for handler in tuple(self.context.handlers):
            self._try(self._react, handler, event)

    def _react(self, handler, event: object) -> None:
        if handler.matches(event):
            self.context.extend_locals({"event": event})
            for entity in handler.handle(event, self.context):
                visit_all(entity, self.context)

    def _try(self, function, *args) -> None:
        try:
            function(*args)
        except Exception as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        text = f"Caught exception in launch (see debug for traceback): {error}"
        if self._debug:
            import traceback

            traceback.print_exception(error)
        screen.error("launch", text)
        self._status = 1
        self._shutdown(text)

    def _shutdown(self, reason: str, due_to_sigint: bool = False) -> None:
        """Once only; processes are not begun any more from here on."""
        if not self.context.is_shutdown:
            self.context.is_shutdown = True
            self.context.emit_event_sync(Shutdown(reason=reason, due_to_sigint=due_to_sigint))

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            loop.add_signal_handler(number, self._terminate, number.name)

    def _interrupt(self) -> None:
        again = " again, ignoring..." if self.context.is_shutdown else ""
        screen.warning("launch", f"user interrupted with ctrl-c (SIGINT){again}")
        self._shutdown("ctrl-c (SIGINT)", due_to_sigint=True)

    def _terminate(self, name: str) -> None:
        screen.error("launch", f"{name} received, ending all processes")
        self._status = 1
        self._shutdown(name)
