"""What is known of the things on the table."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ScenePoses:
    """Measured places of things, in the frame of the arm's base."""

    stamp_ns: int
    goal: np.ndarray
    """Where something is to be, (3,), m."""
    object: np.ndarray | None
    """Where the object is, (3,), m; None where the task has none."""
