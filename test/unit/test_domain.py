"""Leases of ROS domains."""

from contextlib import ExitStack

import pytest

from ros2_rl import domain
from ros2_rl.errors import ConfigError


@pytest.fixture(autouse=True)
def few(tmp_path, monkeypatch):
    monkeypatch.setattr(domain, "DOMAINS", range(1, 4))
    monkeypatch.setattr(domain.tempfile, "gettempdir", lambda: str(tmp_path))


def test_no_two_leases_share_a_domain_and_a_returned_one_is_free_again():
    with ExitStack() as held:
        assert {held.enter_context(domain.lease_domain()) for _ in range(3)} == {1, 2, 3}
        with pytest.raises(ConfigError, match="All 3 ROS domains"), domain.lease_domain():
            pass
    with domain.lease_domain() as free:
        assert free in (1, 2, 3)
