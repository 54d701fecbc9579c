"""Shared by all tests: one thread for numerical libraries; helper modules beside this file import by name."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings  # noqa: E402

# A loaded machine is slow, not wrong.
settings.register_profile("ros2_rl", deadline=None)
settings.load_profile("ros2_rl")
