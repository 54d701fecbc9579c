"""Processes as actions."""

import asyncio
import re
import shlex
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from launch import screen
from launch.child import Child
from launch.context import LaunchContext
from launch.entity import Action, LaunchDescriptionEntity
from launch.event_handlers import OnProcessExit, OnShutdown
from launch.events.process import ProcessExited, ProcessStarted
from launch.substitution import SomeSubstitutionsType, normalize, perform, truth

Environment = Mapping[Any, SomeSubstitutionsType] | None


class ExecuteProcess(Action):
    """Run a program, pass on what it writes, and end it with the launch."""

    def __init__(
        self,
        *,
        cmd: Iterable[SomeSubstitutionsType],
        prefix: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        cwd: SomeSubstitutionsType | None = None,
        env: Environment = None,
        additional_env: Environment = None,
        shell: bool = False,
        output: SomeSubstitutionsType = "log",
        emulate_tty: bool = False,
        sigterm_timeout: float | SomeSubstitutionsType = "5",
        sigkill_timeout: float | SomeSubstitutionsType = "5",
        respawn: bool | SomeSubstitutionsType = False,
        respawn_delay: float | None = None,
        respawn_max_retries: int = -1,
        on_exit: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._cmd, self._prefix = [normalize(word) for word in cmd], prefix
        self._name, self._cwd, self._env, self._more_env = name, cwd, env, additional_env
        self._shell, self._output, self._emulate_tty = shell, output, emulate_tty
        self._sigterm_timeout, self._sigkill_timeout = str(sigterm_timeout), str(sigkill_timeout)
        self._respawn, self._respawn_delay, self._retries = respawn, respawn_delay, respawn_max_retries
        self._on_exit = on_exit
        self._child: Child | None = None
        self._ending: asyncio.Event | None = None
        self.name = ""
        self.cmd: list[str] = []

    @property
    def process_details(self) -> dict[str, Any] | None:
        """Name, command and pid, once the process has begun."""
        if self._child is None:
            return None
        return {"action": self, "name": self.name, "cmd": self.cmd, "pid": self._child.pid}

    def sub_entities(self) -> Iterable[LaunchDescriptionEntity]:
        """What is done when the process has ended."""
        return self._on_exit if isinstance(self._on_exit, list) else ()

    def command(self, context: LaunchContext) -> list[str]:
        """The words of the command line."""
        return [perform(context, word) for word in self._cmd]

    def execute(self, context: LaunchContext) -> None:
        """Begin the process, unless the launch is ending."""
        self.cmd = self._prefixed(context, self.command(context))
        if context.is_shutdown:
            return
        context.process_count += 1
        word = shlex.split(self.cmd[0])[0] if self._shell else self.cmd[0]
        name = perform(context, self._name) if self._name is not None else Path(word).name
        self.name = f"{name}-{context.process_count}"
        self._ending = asyncio.Event()
        context.register_event_handler(OnShutdown(on_shutdown=lambda *_: self.stop()))
        if self._on_exit is not None:
            context.register_event_handler(OnProcessExit(target_action=self, on_exit=self._on_exit))
        run = self._run(context, self._environment(context), self._screen_streams(context))
        context.add_completion_future(asyncio.ensure_future(run))

    def stop(self) -> None:
        """Begin to end the process: SIGINT first."""
        if self._ending is not None:
            self._ending.set()

    def _prefixed(self, context: LaunchContext, words: list[str]) -> list[str]:
        """A debugger or the like before the words: our own, else that of the argument ``launch-prefix``."""
        settings = context.launch_configurations
        if self._prefix is not None:
            return shlex.split(perform(context, self._prefix)) + words
        if not re.match(settings.get("launch-prefix-filter", ""), Path(words[0]).name):
            return words
        return shlex.split(settings.get("launch-prefix", "")) + words

    def _environment(self, context: LaunchContext) -> dict[str, str]:
        base = dict(context.environment) if self._env is None else _texts(context, self._env)
        return base | _texts(context, self._more_env)

    def _screen_streams(self, context: LaunchContext) -> tuple[bool, bool]:
        """Whether stdout and stderr are shown; ``log`` shows stderr alone."""
        wanted = perform(context, self._output)
        return wanted in ("screen", "both", "full"), wanted != "own_log"

    async def _run(self, context: LaunchContext, env: dict[str, str], shown: tuple[bool, bool]) -> None:
        respawn = _flag(context, self._respawn)
        while True:
            status = await self._run_once(context, env, shown)
            if status is None or not respawn or self._retries == 0 or self._is_ending():
                return
            self._retries -= 1
            await self._wait_for_end(self._respawn_delay or 0.0)
            if self._is_ending():
                return

    async def _run_once(
        self, context: LaunchContext, env: dict[str, str], shown: tuple[bool, bool]
    ) -> int | None:
        def on_line(text: str, is_error: bool) -> None:
            if shown[is_error]:
                screen.output(self.name, text)

        cwd = None if self._cwd is None else perform(context, self._cwd)
        try:
            tty = _flag(context, context.launch_configurations.get("emulate_tty", self._emulate_tty))
            self._child = await Child.start(self.cmd, env, cwd, on_line, tty, self._shell)
        except OSError as error:
            screen.error(self.name, f"cannot be started: {error}")
            context.emit_event_sync(
                ProcessExited(returncode=127, action=self, name=self.name, cmd=self.cmd, pid=0)
            )
            return None
        screen.info(self.name, f"process started with pid [{self._child.pid}]")
        details = self.process_details or {}
        context.emit_event_sync(ProcessStarted(**details))
        status = await self._until_end(context, self._child)
        self._tell_end(status)
        context.emit_event_sync(ProcessExited(returncode=status, **details))
        return status

    async def _until_end(self, context: LaunchContext, child: Child) -> int:
        """Wait for the process, or end it when the launch ends."""
        end = asyncio.ensure_future(child.wait())
        asked = asyncio.ensure_future(self._ending.wait())  # type: ignore[union-attr]
        await asyncio.wait((end, asked), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not end.done():
            await self._escalate(context, child, end)
        return await end

    async def _escalate(self, context: LaunchContext, child: Child, end: asyncio.Future) -> None:
        child.signal(signal.SIGINT)
        before = "SIGINT"
        for number, timeout in (
            (signal.SIGTERM, self._sigterm_timeout),
            (signal.SIGKILL, self._sigkill_timeout),
        ):
            seconds = float(context.launch_configurations.get(f"{number.name.lower()}_timeout", timeout))
            await asyncio.wait((end,), timeout=seconds)
            if end.done():
                return
            screen.error(self.name, f"still runs {seconds:g} s after {before}; sending {number.name}")
            before = number.name
            child.kill_group(number) if number == signal.SIGKILL else child.signal(number)

    def _tell_end(self, status: int) -> None:
        pid = self._child.pid if self._child else 0
        if status == 0:
            screen.info(self.name, f"process has finished cleanly [pid {pid}]")
        else:
            cmd = " ".join(self.cmd)
            screen.error(self.name, f"process has died [pid {pid}, exit code {status}, cmd '{cmd}'].")

    def _is_ending(self) -> bool:
        return self._ending is not None and self._ending.is_set()

    async def _wait_for_end(self, seconds: float) -> None:
        if self._ending is not None and seconds > 0:
            await asyncio.wait((asyncio.ensure_future(self._ending.wait()),), timeout=seconds)


def _texts(context: LaunchContext, values: Environment) -> dict[str, str]:
    return {perform(context, name): perform(context, value) for name, value in (values or {}).items()}


def _flag(context: LaunchContext, value: bool | SomeSubstitutionsType) -> bool:
    return value if isinstance(value, bool) else truth(perform(context, value), "A flag of a process")
