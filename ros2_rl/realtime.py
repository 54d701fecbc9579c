"""Real-time hygiene of a control process: what the kernel and the interpreter can do against late ticks.

Everything here is a wish: what is not permitted stays off, and one sentence says why and how to get it.
"""

import ctypes
import errno
import gc
import itertools
import os
import resource
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

HIGHEST_PRIORITY = 98
"""The kernel's own watchdogs run at 99."""
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4
_CAP_IPC_LOCK = 14
_SWITCH_S = 0.0001
_ROUNDS, _CALLS = 60, itertools.count(1)


@dataclass(frozen=True)
class Wish:
    """What a control process would like."""

    priority: int = 0
    """Of SCHED_FIFO, 1 to 98; 0: the normal scheduler."""
    lock_memory: bool = False
    """Whether none of its memory may be paged out."""
    cores: tuple[int, ...] = ()
    """The only cores that it runs on; empty: any."""
    urgent: tuple[int, ...] = ()
    """Threads that go before the others of the process: their priority is one higher."""


class Kernel:
    """Linux, as far as it is needed; tests put another one in its place."""

    def threads(self) -> list[int]:
        """Thread ids of this process."""
        return [int(path.name) for path in Path("/proc/self/task").iterdir()]

    def cores(self) -> set[int]:
        """Cores that this process may use."""
        return os.sched_getaffinity(0)

    def set_fifo(self, thread: int, priority: int) -> None:
        """SCHED_FIFO for a thread; threads that it begins later are normal ones.

        Raises:
            PermissionError: not permitted.
        """
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(thread, policy, os.sched_param(priority))

    def set_idle(self, thread: int) -> None:
        """SCHED_IDLE for a thread and those that it begins later: whoever else wants the core has it."""
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))

    def pin(self, thread: int, cores: Iterable[int]) -> None:
        os.sched_setaffinity(thread, cores)

    def may_lock(self) -> bool:
        """Whether memory may be locked without bound; a bound would make later allocations fail."""
        limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        return limit == resource.RLIM_INFINITY or bool(_capabilities() >> _CAP_IPC_LOCK & 1)

    def lock_memory(self) -> None:
        """Keep every page, once touched, in memory.

        Raises:
            OSError: not permitted.
        """
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def apply(wish: Wish, kernel: Kernel | None = None) -> list[str]:
    """Get what is wished for, for all threads that the process has now; a sentence for what cannot be had.

    Threads that begin later have the cores, but not the priority: what they do is not urgent.
    """
    kernel = kernel or Kernel()
    steps: list[tuple[bool, Callable[[Wish, Kernel], str]]] = [
        (bool(wish.cores), _pin),
        (wish.lock_memory, _lock),
        (wish.priority > 0, _raise_priority),
    ]
    complaints = (step(wish, kernel) for wanted, step in steps if wanted)
    return [complaint for complaint in complaints if complaint]


def give_way(kernel: Kernel | None = None) -> str:
    """Let this process run only while nobody else wants its core; a sentence if that cannot be had.

    A lower priority is not enough: a thread that wakes up then still waits for the other one's time slice.
    """
    kernel = kernel or Kernel()
    return _for_all(kernel, kernel.set_idle, "The process does not give way to others")


def quiet_collector() -> None:
    """What exists stays; the garbage collector runs only when :func:`collect` is called."""
    gc.collect()
    gc.freeze()
    gc.disable()


def collect() -> None:
    """Collect what has come up since the last call; for once a second.

    What outlives a call is looked at again only once in :data:`_ROUNDS` calls: to look at all of it takes
    milliseconds, as long as a control step may.
    """
    gc.collect(2 if next(_CALLS) % _ROUNDS == 0 else 0)


def yield_soon() -> None:
    """Let a busy thread of Python's give way to the control thread within half a millisecond."""
    sys.setswitchinterval(_SWITCH_S)


def limit_threads(environment: dict[str, str] | None = None) -> dict[str, str]:
    """Environment that keeps numerical libraries on one thread each, unless the user said otherwise."""
    given = os.environ if environment is None else environment
    return {
        name: given.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    }


def _pin(wish: Wish, kernel: Kernel) -> str:
    absent = sorted(set(wish.cores) - kernel.cores())
    if absent:
        return (
            f"There is no core {', '.join(map(str, absent))} for this process, it may use "
            f"{', '.join(map(str, sorted(kernel.cores())))}; it is not pinned."
        )
    return _for_all(
        kernel, lambda thread: kernel.pin(thread, wish.cores), "The process is not pinned to its cores"
    )


def _lock(_: Wish, kernel: Kernel) -> str:
    remedy = "set 'memlock unlimited' for this user in /etc/security/limits.conf and log in anew"
    if not kernel.may_lock():
        return f"The memory is not locked, for its size is limited; {remedy}."
    try:
        kernel.lock_memory()
    except OSError as error:
        return f"The memory is not locked ({error.strerror}); {remedy}."
    return ""


def _raise_priority(wish: Wish, kernel: Kernel) -> str:
    return _for_all(
        kernel,
        lambda thread: kernel.set_fifo(
            thread, min(wish.priority + (thread in wish.urgent), HIGHEST_PRIORITY)
        ),
        f"There is no real-time priority {wish.priority}",
        f"; set 'rtprio {HIGHEST_PRIORITY}' for this user in /etc/security/limits.conf and log in anew",
    )


def _for_all(kernel: Kernel, act: Callable[[int], None], complaint: str, remedy: str = "") -> str:
    """Do something to every thread; a thread that has ended meanwhile needs nothing."""
    for thread in kernel.threads():
        try:
            act(thread)
        except ProcessLookupError:
            continue
        except OSError as error:
            reason = "not permitted" if error.errno == errno.EPERM else error.strerror
            return f"{complaint} ({reason}){remedy}."
    return ""


def _capabilities() -> int:
    """The effective capabilities of this process, as bits."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0"), 16)
