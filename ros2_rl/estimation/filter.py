"""Contact-aided Kalman filter of the base's velocity.

The state is the velocity of the IMU's origin in the base frame and the accelerometer's bias. In that
frame every stance foot measures the velocity itself (H = I; Bloesch et al., RSS 2013), and at the
IMU's origin the accelerometer needs no angular acceleration. The covariance is kept by axis: the
turning of the base within one sample, which couples the axes, acts on the mean alone.
"""

import math

import numpy as np

from ros2_rl.estimation.params import EstimatorParams

GRAVITY = 9.81
_BOUND = 5.0
"""No accelerometer is biased by more than so many times ``accel_bias_std``."""


class VelocityFilter:
    """Velocity (3,), m/s, and accelerometer bias (3,), m/s², with their variances by axis."""

    def __init__(self, params: EstimatorParams):
        self._params, self._most = params, _BOUND * params.accel_bias_std
        self.reset()

    def reset(self) -> None:
        self.velocity, self.bias = np.zeros(3), np.zeros(3)
        self.bias_var = np.full(3, self._params.accel_bias_std**2)
        self.innovation = 0.0
        """Mean squared horizontal innovation of the last correction, in variances; 1 is consistent."""
        self.forget()

    def forget(self) -> None:
        """Keep the velocity, but know nothing of it any longer."""
        self.var, self._cross = np.full(3, self._params.free_speed_std**2), np.zeros(3)

    def predict(self, dt: float, accel: np.ndarray, up: np.ndarray, spin: np.ndarray) -> None:
        """Integrate v' = a - b - g up - w x v.

        Args:
            dt: s.
            accel: specific force, (3,), m/s².
            up: vertical in the base frame, (3,).
            spin: the matrix of w x, (3, 3), rad/s.
        """
        params, gained = self._params, accel - self.bias - GRAVITY * up
        self.velocity = _turned(self.velocity, spin, dt) + dt * gained
        self.var = self.var + dt * (dt * self.bias_var - 2.0 * self._cross + params.accel_noise**2)
        self._cross = self._cross - dt * self.bias_var
        self.bias_var = self.bias_var + params.accel_bias_noise**2 * dt

    def fade(self, dt: float) -> None:
        """Let the velocity go to zero and its variance to that of a robot of which nothing is known.

        A first-order Gauss-Markov process: without contact the accelerometer alone would drift away.
        """
        keep = math.exp(-dt / self._params.fade_s)
        self.velocity = keep * self.velocity
        free = self._params.free_speed_std**2
        self.var = free + keep**2 * (self.var - free)
        self._cross = keep * self._cross

    def correct(self, measured: np.ndarray, var: np.ndarray, trusted: np.ndarray) -> None:
        """Fuse the velocities that the trusted feet measure, in information form.

        A foot whose horizontal innovation lies beyond the gate slips: its variance grows by the square of
        the excess, so that it is heard less, yet never shut out for good. The vertical is not gated: feet
        sink in fast and rise slowly, and only the whole of it is free of bias.

        Args:
            measured: (F, 3), m/s.
            var: variances of ``measured``, (F, 3).
            trusted: (F,), 1 for the feet to use, at least one, and 0 for the others.
        """
        error = measured - self.velocity
        squared = 0.5 * np.add.reduce((error * error / (var + self.var))[:, :2], axis=1)
        weight = trusted[:, None] / var
        weight[:, :2] /= np.maximum(squared / self._params.slip_gate**2, 1.0)[:, None]
        information = np.add.reduce(weight)
        mean = np.add.reduce(weight * error) / information
        self.innovation = float(squared @ trusted / np.add.reduce(trusted))
        total = self.var + 1.0 / information
        gain, bias_gain = self.var / total, self._cross / total
        self.velocity = self.velocity + gain * mean
        self.bias = np.minimum(np.maximum(self.bias + bias_gain * mean, -self._most), self._most)
        self.bias_var = self.bias_var - bias_gain * self._cross
        # (1 - K) P with 1 - K = R / (P + R): positive however small R is.
        left = 1.0 / (information * total)
        self._cross = left * self._cross
        self.var = left * self.var


def _turned(velocity: np.ndarray, spin: np.ndarray, dt: float) -> np.ndarray:
    """v - dt w x v, with the length of v, which an Euler step would let grow."""
    turned = velocity - dt * (spin @ velocity)
    length = turned @ turned
    return turned * math.sqrt((velocity @ velocity) / length) if length > 0.0 else turned
