"""A ROS domain of one's own, so that graphs that run side by side on a machine never meet.

Tests and benchmarks lease one; a robot's domain is its operator's choice (``ROS_DOMAIN_ID``).
"""

import fcntl
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ros2_rl.errors import ConfigError

DOMAINS = range(1, 102)
"""Domains whose ports lie below Linux's ephemeral ones; 0 is everybody's default."""


@contextmanager
def lease_domain() -> Iterator[int]:
    """A domain that no other lease on this machine holds; returned when the process ends at the latest.

    The search begins at a random one: peers of the last lease may still be saying goodbye there.

    Raises:
        ConfigError: all of them are held.
    """
    for domain in random.SystemRandom().sample(DOMAINS, len(DOMAINS)):
        lock = _try_lock(Path(tempfile.gettempdir()) / f"ros2_rl_domain_{domain}.lock")
        if lock is not None:
            try:
                yield domain
            finally:
                os.close(lock)
            return
    raise ConfigError(f"All {len(DOMAINS)} ROS domains of this machine are leased; end other tests first.")


def _try_lock(path: Path) -> int | None:
    """A file descriptor that holds the lock, or None where somebody else does."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:  # another user's
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
