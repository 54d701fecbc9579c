"""One child process: begun so that it cannot outlive the launcher, and ended step by step."""

import asyncio
import ctypes
import os
import pty
import signal
from collections.abc import Callable, Mapping

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_LONGEST_LINE = 1 << 20
"""Bytes; a longer line is passed on in pieces."""


def _die_with(parent: int) -> Callable[[], None]:
    """What the child does before it becomes the program."""

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the launcher ended in between
            os._exit(1)

    return prepare


class Child:
    """A running process in a group of its own."""

    def __init__(self, process: asyncio.subprocess.Process, readers: list[asyncio.Task]):
        self._process, self._readers = process, readers
        self.pid = process.pid

    @classmethod
    async def start(
        cls,
        cmd: list[str],
        env: Mapping[str, str],
        cwd: str | None,
        on_line: Callable[[str, bool], None],
        emulate_tty: bool,
        shell: bool,
    ) -> "Child":
        """Begin a process; ``on_line`` gets each line and whether it was on stderr."""
        out = pty.openpty() if emulate_tty else None
        stdout = stderr = out[1] if out else asyncio.subprocess.PIPE
        words = ["/bin/sh", "-c", " ".join(cmd)] if shell else cmd
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                env=dict(env),
                cwd=cwd,
                limit=_LONGEST_LINE,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        except BaseException:
            _close(out)
            raise
        return cls(process, await _read(process, out, on_line))

    async def wait(self) -> int:
        """Wait for the end and for the last lines; gives the exit status."""
        status = await self._process.wait()
        self.kill_group(signal.SIGKILL)  # whatever it left behind
        await asyncio.wait(self._readers, timeout=1.0)
        for reader in self._readers:
            reader.cancel()
        return status

    def signal(self, number: int) -> None:
        """Send a signal to the process, if it is still there."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    def kill_group(self, number: int) -> None:
        """Send a signal to the process and all that it began."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return


async def _read(process, out, on_line) -> list[asyncio.Task]:
    if out is None:
        pairs = [(process.stdout, False), (process.stderr, True)]
    else:
        os.close(out[1])
        stream = asyncio.StreamReader(limit=_LONGEST_LINE)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(out[0], "rb", 0))
        pairs = [(stream, False)]
    return [asyncio.create_task(_lines(stream, on_line, is_error)) for stream, is_error in pairs]


async def _lines(stream: asyncio.StreamReader, on_line: Callable[[str, bool], None], is_error: bool) -> None:
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as end:
            line = end.partial
        except asyncio.LimitOverrunError as long:
            line = await stream.read(long.consumed)
        except OSError:  # how a pseudo-terminal says that nobody is on the other side
            return
        if not line:
            return
        on_line(line.decode(errors="replace").rstrip("\r\n"), is_error)


def _close(pair: tuple[int, int] | None) -> None:
    for descriptor in pair or ():
        os.close(descriptor)
