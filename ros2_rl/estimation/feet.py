"""What the stance feet together say about the velocity of the base, and how far each is believed."""

import math
from typing import NamedTuple

import numpy as np

from ros2_rl.estimation.params import EstimatorParams
from ros2_rl.estimation.rotation import cross_matrix

_GATE = np.array(((0.5, 0.5, 0.0), (0.5, 0.5, 0.0), (0.0, 0.0, 0.0)))
"""Makes the mean of x and y for both, and nothing of z."""
_NIS_MOST = 30.0
"""An innovation beyond this is an accident, not noise."""
_SCALES = (0.1, 30.0)
"""Range of :attr:`FootFusion.scale`."""


class FootVelocity(NamedTuple):
    """One measurement made of all feet.

    ``error``: what it shows beyond the velocity that is believed, (3,), m/s, with variances ``var`` (3,);
    ``arm``: its derivative by the bias of the gyroscope, the matrix of the mean lever arm's ``r x``, m.
    """

    error: np.ndarray
    var: np.ndarray
    arm: np.ndarray


class FootFusion:
    """Weighs the feet against each other.

    Attributes:
        belief: how far each foot was believed at last, its trust divided by what the gate took, (F,).
        scale: by how much the noise of all feet exceeds what the parameters say, a ratio of variances by
            axis, (3,), learned from the innovations.
    """

    def __init__(self, params: EstimatorParams, var: np.ndarray):
        """``var``: of the velocity that each foot shows while it stands, (F, 3), (m/s)²."""
        self._params, self._var = params, var
        self._gate = _GATE / params.slip_gate**2
        self._ones, self._trusts = np.ones(len(var)), np.zeros(var.shape)
        self.reset()

    def reset(self) -> None:
        self.belief, self.scale = np.zeros(self._ones.size), np.ones(3)

    def fuse(
        self,
        measured: np.ndarray,
        arms: np.ndarray,
        trust: np.ndarray,
        settled: np.ndarray,
        velocity: np.ndarray,
        velocity_var: np.ndarray,
    ) -> FootVelocity:
        """The mean by information of what the feet show.

        A foot whose horizontal innovation lies beyond the gate slips: its variance grows by the square of
        the excess, so that it is heard less, yet never shut out for good. The vertical is not gated: feet
        sink in fast and rise slowly, and only the whole of it is free of bias.

        Args:
            measured: velocity of the IMU's origin as each foot shows it, base frame, (F, 3), m/s.
            arms: from the IMU to each foot, base frame, (F, 3), m.
            trust: 0 to 1, not all 0, (F,).
            settled: 0 to 1, how far each foot has ceased to slide after its landing, (F,).
            velocity: what is believed so far, (3,), m/s, with variances ``velocity_var`` (3,).
        """
        error, var = measured - velocity, self.scale * self._var
        excess = np.maximum((error * error / (var + velocity_var)).dot(self._gate), 1.0)
        steady = trust * settled
        self.belief = steady / excess[:, 0]
        self._trusts[:, :2], self._trusts[:, 2] = steady[:, None], trust
        weight = self._trusts / (excess * var)
        total = 1.0 / self._ones.dot(weight)
        arm = self.belief.dot(arms) / self._ones.dot(self.belief)
        return FootVelocity(total * self._ones.dot(weight * error), total, cross_matrix(arm))

    def learn(self, innovation: np.ndarray, dt: float) -> None:
        """Adapt the noise of the feet to what they turn out to do.

        The mean squared innovation of a consistent filter is 1 variance (Mehra 1970): the noise grows
        while it is larger and shrinks while it is smaller.

        Args:
            innovation: squared innovation of the velocity by axis, in variances, (3,).
            dt: s.
        """
        rate, (least, most) = dt / self._params.noise_memory_s, _SCALES
        scales = zip(self.scale.tolist(), innovation.tolist(), strict=True)
        self.scale = np.array(
            [min(max(s * math.exp(rate * (min(i, _NIS_MOST) - 1.0)), least), most) for s, i in scales]
        )
