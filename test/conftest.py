"""Shared by all tests: one thread for numerical libraries, a ROS domain of its own for each test.

Helper modules beside this file import by name.
"""

import os
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from ros2_rl.domain import lease_domain  # noqa: E402

# A loaded machine is slow, not wrong.
settings.register_profile("ros2_rl", deadline=None)
settings.load_profile("ros2_rl")


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
