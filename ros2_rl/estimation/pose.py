"""Position of the base: dead reckoning, and its height above the feet that stand."""

import numpy as np

from ros2_rl.estimation.params import EstimatorParams

_MEMORY_S = 0.2
"""Time over which errors of the velocity stay alike; sets how fast dead reckoning grows uncertain."""


class PoseTracker:
    """Position (3,) in the odom frame, m, z above the ground under the stance feet; variance (3,)."""

    def __init__(self, params: EstimatorParams):
        self._params = params
        self.reset()

    def reset(self) -> None:
        self.position = np.zeros(3)
        self.var = np.array((0.0, 0.0, 1.0))

    def advance(self, dt: float, rotation: np.ndarray, velocity: np.ndarray, var: np.ndarray) -> None:
        """Move by a velocity (3,) in the base frame, m/s, known with variances ``var`` (3,) there."""
        self.position = self.position + rotation.dot(dt * velocity)
        self.var = self.var + (rotation * rotation).dot((dt * _MEMORY_S) * var)

    def stand(self, heights: np.ndarray, weights: np.ndarray) -> None:
        """Correct z by the height of the base above each foot's contact point, (F,), m.

        ``weights`` (F,): trust in each foot, 0 to 1, not all zero.
        """
        total = sum(weights.tolist())
        noise = self._params.foot_height_noise**2 / total
        gain = self.var[2] / (self.var[2] + noise)
        self.position[2] += gain * (heights @ weights / total - self.position[2])
        self.var[2] *= 1.0 - gain
