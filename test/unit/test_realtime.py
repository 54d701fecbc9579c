"""Real-time wishes: granted for every thread, or a sentence that says why not and how."""

import gc
import os
import resource
import subprocess
import sys
import threading

import pytest

from ros2_rl.realtime import Kernel, Wish, apply, collect, give_way, limit_threads, quiet_collector

EVERYTHING = Wish(priority=70, lock_memory=True, cores=(1,))


class Fake(Kernel):
    """Two cores, three threads of which one has just ended; ``refuse`` names what is not permitted."""

    def __init__(self, *refuse: str):
        self.refuse, self.done = refuse, []

    def threads(self) -> list[int]:
        return [10, 11, 12]

    def cores(self) -> set[int]:
        return {0, 1}

    def set_fifo(self, thread: int, priority: int) -> None:
        self._do("fifo", thread, priority)

    def set_idle(self, thread: int) -> None:
        self._do("idle", thread)

    def pin(self, thread: int, cores) -> None:
        self._do("pin", thread, *cores)

    def may_lock(self) -> bool:
        return "bound" not in self.refuse

    def lock_memory(self) -> None:
        self._do("lock", 0)

    def _do(self, what: str, thread: int, *more: int) -> None:
        if thread == 11:
            raise ProcessLookupError
        if what in self.refuse:
            raise PermissionError(1, "Operation not permitted")
        self.done.append((what, thread, *more))


def test_urgent_threads_go_before_the_others_of_their_process() -> None:
    kernel = Fake()
    assert apply(Wish(priority=70, urgent=(12,)), kernel) == []
    assert kernel.done == [("fifo", 10, 70), ("fifo", 12, 71)]


def test_everything_is_given_to_every_thread() -> None:
    kernel = Fake()
    assert apply(EVERYTHING, kernel) == []
    assert kernel.done == [("pin", 10, 1), ("pin", 12, 1), ("lock", 0), ("fifo", 10, 70), ("fifo", 12, 70)]


def test_who_gives_way_does_so_with_every_thread() -> None:
    kernel = Fake()
    assert give_way(kernel) == "" and kernel.done == [("idle", 10), ("idle", 12)]
    assert "does not give way to others (not permitted)." in give_way(Fake("idle"))


def test_a_process_that_gives_way_runs_on_and_so_do_its_later_threads() -> None:
    words = (
        "import os, threading; from ros2_rl.realtime import give_way; assert not give_way(); found = []; "
        "t = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0))); t.start(); t.join(); "
        "assert os.sched_getscheduler(0) == found[0] == os.SCHED_IDLE"
    )
    assert subprocess.run([sys.executable, "-c", words], check=False).returncode == 0


def test_nothing_is_done_where_nothing_is_wished_for() -> None:
    kernel = Fake("fifo", "pin", "lock", "bound")
    assert apply(Wish(), kernel) == [] and kernel.done == []


@pytest.mark.parametrize(
    ("refuse", "sentence", "rest"),
    [
        (
            "fifo",
            "There is no real-time priority 70 (not permitted); set 'rtprio 98' for",
            "pin lock",
        ),
        ("lock", "The memory is not locked (Operation not permitted); set 'memlock unlimited'", "pin fifo"),
        ("bound", "The memory is not locked, for its size is limited; set 'memlock unlimited'", "pin fifo"),
        ("pin", "The process is not pinned to its cores (not permitted).", "lock fifo"),
    ],
)
def test_what_is_not_permitted_is_told_and_the_rest_is_done(refuse: str, sentence: str, rest: str) -> None:
    kernel = Fake(refuse)
    (complaint,) = apply(EVERYTHING, kernel)
    assert complaint.startswith(sentence) and complaint.endswith(".")
    assert {name for name, *_ in kernel.done} == set(rest.split())


def test_a_core_that_is_not_there_is_named() -> None:
    kernel = Fake()
    (complaint,) = apply(Wish(cores=(1, 7)), kernel)
    assert complaint == "There is no core 7 for this process, it may use 0, 1; it is not pinned."
    assert kernel.done == []


def test_this_machines_kernel_knows_its_threads_and_cores() -> None:
    kernel, stop = Kernel(), threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    assert {threading.get_native_id(), thread.native_id} <= set(kernel.threads())
    stop.set()
    thread.join()
    before = os.sched_getaffinity(0)
    core = min(kernel.cores())
    try:
        assert apply(Wish(cores=(core,))) == []
        assert os.sched_getaffinity(0) == {core}
    finally:
        os.sched_setaffinity(0, before)


def test_a_bound_on_locked_memory_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ros2_rl.realtime._capabilities", lambda: 0)
    for limit, may in ((2**16, False), (resource.RLIM_INFINITY, True)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        assert Kernel().may_lock() is may


def test_a_real_wish_is_granted_or_told_in_a_process_of_its_own() -> None:
    code = (
        "import os; from ros2_rl.realtime import Wish, apply\n"
        "said = apply(Wish(1, True))\n"
        "fifo = os.sched_getscheduler(0) & 3 == os.SCHED_FIFO\n"
        "assert fifo == (not any('priority' in s for s in said)), said\n"
        "block = bytearray(2**24)  # memory can be had as before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_collector_runs_only_when_it_is_told_to() -> None:
    try:
        quiet_collector()
        assert not gc.isenabled() and gc.get_freeze_count() > 0
        one: list = []
        one.append(one)
        del one
        before = sum(generation["collected"] for generation in gc.get_stats())
        collect()
        assert sum(generation["collected"] for generation in gc.get_stats()) > before
        whole = gc.get_stats()[2]["collections"]
        for _ in range(60):
            collect()
        assert gc.get_stats()[2]["collections"] == whole + 1
    finally:
        gc.unfreeze()
        gc.enable()


def test_numerical_libraries_get_one_thread_unless_the_user_says_otherwise() -> None:
    assert set(limit_threads({}).values()) == {"1"}
    assert limit_threads({"OMP_NUM_THREADS": "3"})["OMP_NUM_THREADS"] == "3"
