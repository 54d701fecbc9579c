"""The gait clock: the phase of the trot, a function of the control step alone."""

import numpy as np

STEP_NS = 20_000_000
"""The control step that ``step_number`` counts, ns."""


def step_number(stamp_ns: int) -> int:
    """Number of the control step that a stamp belongs to."""
    return stamp_ns // STEP_NS


def gait_clock(
    step: int | np.ndarray, step_dt: float, period: float, standing: bool | np.ndarray = False
) -> np.ndarray:
    """(sin, cos) of the gait phase 2 pi step_dt step / period; (0, 0) when standing.

    ``step`` may be a number or an array (N,); the result has shape (2,) or (N, 2). FL and RR
    are in stance while sin > 0, FR and RL while sin < 0.
    """
    phase = 2.0 * np.pi * np.mod(np.asarray(step) * (step_dt / period), 1.0)
    clock = np.stack((np.sin(phase), np.cos(phase)), axis=-1)
    return np.where(np.asarray(standing)[..., None], 0.0, clock)
