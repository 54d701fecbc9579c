"""The shoves that a simulator gives in an evaluation: one an episode; the seed says where and when."""

import math

import numpy as np

from ros2_rl.learning.phase import EVALUATE, Phase
from ros2_rl.tasks.clock import STEP_NS

Shove = tuple[int, np.ndarray]
"""Stamp, and the velocity (3,), m/s, world frame, that is added to the base."""
_EARLIEST, _LATEST = 0.3, 0.6
"""Part of an episode at which it comes: the robot is on its way, and has time to fall."""


def shoves(phase: Phase) -> list[Shove]:
    """Those of a phase, in order of time; none where it asks for none."""
    if phase.name != EVALUATE or not phase.shove_m_s:
        return []
    rng, found = np.random.default_rng((phase.seed, 17)), []
    for episode in range(phase.episodes):
        at, heading = rng.uniform(_EARLIEST, _LATEST), rng.uniform(-math.pi, math.pi)
        step = phase.start_step + round((episode + at) * phase.episode_steps)
        found.append(
            (step * STEP_NS, phase.shove_m_s * np.array((math.cos(heading), math.sin(heading), 0.0)))
        )
    return found
