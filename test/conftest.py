"""Shared by all tests: one thread for numerical libraries, a ROS domain of its own for each test, and no
process left behind.

Helper modules beside this file import by name.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from ros2_rl.domain import lease_domain  # noqa: E402

# A loaded machine is slow, not wrong.
settings.register_profile("ros2_rl", deadline=None)
settings.load_profile("ros2_rl")


_GRACE_S = 10.0
"""A process that a failed test has left behind may end so long on its own terms, wall time."""


@pytest.fixture(autouse=True)
def nobody_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a failed test has started ends with it; its nodes would go on computing beside the other tests."""
    if "unit" in request.path.parts:
        yield
        return
    before = _children()
    yield
    end = time.monotonic() + _GRACE_S
    for sent in (signal.SIGINT, signal.SIGKILL):
        for child in _children() - before:
            with suppress(ProcessLookupError):
                os.kill(child, sent)
        while sent is signal.SIGINT and _children() - before and time.monotonic() < end:
            time.sleep(0.1)


def _children() -> set[int]:
    """Process ids of the children that still run, but for Python's own helpers."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found |= {int(word) for word in (thread / "children").read_text().split()}
    return {child for child in found if _runs(Path(f"/proc/{child}"))}


def _runs(process: Path) -> bool:
    with suppress(OSError):
        ended = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return not ended and b"multiprocessing" not in (process / "cmdline").read_bytes()
    return False


@pytest.fixture(autouse=True)
def own_domain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nodes in this test's process and in those it starts meet nobody else, on no other machine either."""
    if "unit" in request.path.parts:
        yield
        return
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    with lease_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        yield
