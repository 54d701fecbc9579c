"""Shared by all tests: one thread for numerical libraries; helper modules beside this file import by name."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
