"""Error-state Kalman filter of the base: orientation, velocity and the IMU's biases.

The error state is (turn, velocity, gyro bias, accelerometer bias), three each. The turn is a rotation
vector in the base frame; the velocity is that of the IMU's origin in the base frame, where the
accelerometer needs no angular acceleration and every stance foot measures the velocity itself (Bloesch
et al., RSS 2013). What a foot adds to H beyond that is its lever arm on the gyroscope's bias. The
error-state form is that of Solà, "Quaternion kinematics for the error-state Kalman filter", section 5.
"""

import math

import eigenpy
import numpy as np

from ros2_rl.estimation.feet import FootVelocity
from ros2_rl.estimation.params import EstimatorParams
from ros2_rl.estimation.rotation import Quat, cross_matrix, rotation_matrix, turn_between, turned

GRAVITY = 9.81
TURN, VELOCITY, GYRO, ACCEL = (slice(3 * i, 3 * i + 3) for i in range(4))
SIZE = 12
_DIAGONAL = SIZE + 1
_SPEED = slice(3 * _DIAGONAL, 6 * _DIAGONAL, _DIAGONAL)
"""The variances of the velocity in the covariance laid flat."""
_BOUND = 5.0
"""No sensor is biased by more than so many times what is believed of it at the start."""
_JUMP = 0.3
"""An orientation further off than this is not a measurement error, rad."""


def _basis() -> np.ndarray:
    """Matrices whose weighted sum is F, as columns (144, 11).

    Weights: angular rate (3), velocity (3), gravity along the base's axes (3), 1; all times dt; and 1.
    """
    basis = np.zeros((11, SIZE, SIZE))
    for i, axis in enumerate(np.eye(3)):
        cross = cross_matrix(axis)
        basis[i, TURN, TURN] = basis[i, VELOCITY, VELOCITY] = -cross
        basis[3 + i, VELOCITY, GYRO] = -cross
        basis[6 + i, VELOCITY, TURN] = -cross
    basis[9, TURN, GYRO] = basis[9, VELOCITY, ACCEL] = -np.eye(3)
    basis[10] = np.eye(SIZE)
    return basis.reshape(11, SIZE * SIZE).T.copy()


_BASIS = _basis()


class BaseFilter:
    """Nominal state and covariance.

    Attributes:
        quat: base in the world, unit quaternion (w, x, y, z).
        rotation: the same as a matrix before the last correction, base to world, (3, 3).
        rate: angular velocity without its bias, (3,), rad/s.
        velocity: of the IMU's origin in the base frame, (3,), m/s.
        bias: of the gyroscope and the accelerometer, (6,), rad/s and m/s².
        cov: covariance of the error state, (12, 12).
        innovation: of the last correction, squared, in variances: (3,) for the orientation, and (6,)
            where feet stood, then also for the velocity; each 1 on average if all is consistent.
    """

    def __init__(self, params: EstimatorParams):
        self._params = params
        drift = (params.gyro_noise, params.accel_noise, params.gyro_bias_noise, params.accel_bias_noise)
        self._drift = np.repeat(np.square(drift), 3)
        self._most = _BOUND * np.repeat((params.gyro_bias_std, params.accel_bias_std), 3)
        self._h = np.zeros((6, SIZE))
        self._h[:3, TURN] = self._h[3:, VELOCITY] = np.eye(3)
        self._noise = np.full(6, params.orientation_noise**2)
        self._weights = np.ones(11)
        self._cholesky = {size: eigenpy.LLT(size) for size in (3, 6)}
        self.reset()

    def reset(self) -> None:
        """Nothing is known; the orientation comes with the first correction."""
        params = self._params
        self.velocity, self.rate = np.zeros((2, 3))
        self.bias, self._imu = np.zeros((2, 6))
        std = (math.pi, params.free_speed_std, params.gyro_bias_std, params.accel_bias_std)
        self.cov = np.diag(np.repeat(np.square(std), 3))
        self.innovation = np.zeros(3)
        self.turn_to((1.0, 0.0, 0.0, 0.0))

    @property
    def velocity_var(self) -> np.ndarray:
        return self.cov.reshape(-1)[_SPEED]

    def turn_to(self, quat: Quat) -> None:
        """Take the orientation from the IMU alone."""
        self.quat, self.rotation = quat, rotation_matrix(quat)
        self._restart(TURN, self._params.orientation_noise)

    def forget(self) -> None:
        """Keep the velocity, but know nothing of it any longer."""
        self._restart(VELOCITY, self._params.free_speed_std)

    def _restart(self, part: slice, std: float) -> None:
        self.cov[part], self.cov[:, part] = 0.0, 0.0
        self.cov[part, part] = std**2 * np.eye(3)

    def predict(self, dt: float, imu: np.ndarray) -> None:
        """Integrate the IMU: R' = R [w]x, v' = a - g up - w x v.

        Between two samples it is taken for the mean of both, which is known the less the more they
        differ: with the variance of a uniform distribution over that difference.

        Args:
            dt: s.
            imu: measured angular velocity, rad/s, and specific force, m/s², (6,).
        """
        jump, self._imu = imu - self._imu, imu
        mean = imu - 0.5 * jump - self.bias
        self.rate = imu[:3] - self.bias[:3]
        x, y, z = (dt * mean[:3]).tolist()
        self.quat = turned(self.quat, x, y, z)
        self.rotation = rotation_matrix(self.quat)
        weights, weight = self._weights, GRAVITY * self.rotation[2]
        weights[:3], weights[3:6], weights[6:9] = mean[:3], self.velocity, weight
        weights = dt * weights
        weights[10] = 1.0
        step = _BASIS.dot(weights).reshape(SIZE, SIZE)
        turned_on = _same_length(step[VELOCITY, VELOCITY].dot(self.velocity), self.velocity)
        self.velocity = turned_on + dt * (mean[3:] - weight)
        self.cov = step.dot(self.cov).dot(step.T)
        variances = self.cov.reshape(-1)[::_DIAGONAL]
        variances += dt * self._drift
        jump *= jump
        variances[:6] += (dt * dt / 12.0) * jump

    def fade(self, dt: float, free_s: float) -> None:
        """Let the speed leak away, and its variance grow towards that of a robot that is free.

        Without contact the accelerometer alone would drift off; a Gauss-Markov process cannot. Its memory
        is the shorter the longer nothing has happened, so that a lying robot comes to rest in spite of a
        bias.

        Args:
            dt: s.
            free_s: time without contact in which nothing happened, s.
        """
        keep = math.exp(-dt * free_s / self._params.fade_s**2)
        self.velocity = keep * self.velocity
        self.cov[VELOCITY] *= keep
        self.cov[:, VELOCITY] *= keep
        variances = self.cov.reshape(-1)[_SPEED]
        variances += (1.0 - keep**2) * self._params.free_speed_std**2

    def correct(self, quat: Quat, feet: FootVelocity | None) -> None:
        """Correct by the IMU's orientation and, if a foot stands, by the velocity that the feet show.

        An orientation that is nowhere near is taken over: the IMU was set anew, or much was missed.
        """
        turn = turn_between(self.quat, quat)
        if turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2 > _JUMP**2:
            self.turn_to(quat)
            turn = (0.0, 0.0, 0.0)
        if feet is None:
            self._update(self._h[:3], np.array(turn), self._noise[:3])
            return
        self._h[3:, GYRO] = feet.arm
        self._noise[3:] = feet.var
        self._update(self._h, np.array((*turn, *feet.error.tolist())), self._noise)

    def _update(self, h: np.ndarray, error: np.ndarray, noise: np.ndarray) -> None:
        """Kalman update."""
        reach = h.dot(self.cov)
        spread = reach.dot(h.T)
        variances = spread.reshape(-1)[:: len(noise) + 1]
        variances += noise
        self.innovation = error * error / variances
        # Cholesky's method costs a third of numpy's inverse.
        gain = self._cholesky[len(noise)].compute(spread).solve(reach).T
        self._inject(gain.dot(error))
        cov = self.cov - gain.dot(reach)
        self.cov = 0.5 * (cov + cov.T)

    def _inject(self, error: np.ndarray) -> None:
        """Move an estimated error into the nominal state."""
        x, y, z = error[TURN].tolist()
        self.quat = turned(self.quat, x, y, z)
        self.velocity = self.velocity + error[VELOCITY]
        self.bias = np.minimum(np.maximum(self.bias + error[6:], -self._most), self._most)


def _same_length(turned_by_euler: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The vector with the length it had before: an Euler step of a rotation would let it grow."""
    length = turned_by_euler.dot(turned_by_euler)
    return turned_by_euler * math.sqrt(before.dot(before) / length) if length > 0.0 else turned_by_euler
