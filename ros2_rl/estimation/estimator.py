"""The state estimator: one :class:`RobotState` in, one :class:`BaseEstimate` out.

Orientation is the IMU's own; velocity, bias and position are estimated. Deterministic: the answer
follows from the samples alone. Bad samples are refused by name, the last good estimate stays.
"""

import math

import numpy as np

from ros2_rl.estimation.contact import TRUSTED, ContactEstimator
from ros2_rl.estimation.filter import VelocityFilter
from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.estimation.params import EstimatorParams
from ros2_rl.estimation.pose import PoseTracker
from ros2_rl.estimation.rotation import cross_matrix, rotation_matrix
from ros2_rl.robots import NS_PER_S, BaseEstimate, RobotDescription, RobotState

_NEW_TIME_S = 1.0
"""A stamp further back than this begins a new time line: the robot or the simulator was restarted."""
_LIMITS = {"q": 100.0, "dq": 1000.0, "gyro": 100.0, "accel": 1000.0}
"""Largest norm of a plausible measurement, in its unit; beyond it a sensor is broken, not moving."""


class Estimator:
    """Estimates the base of one robot.

    Attributes:
        fault: why the last sample was refused, None if it was used.
        degraded: what the last estimate had to do without, None if nothing.
        position_var: variance of the position, (3,), m².
    """

    def __init__(self, robot: RobotDescription, params: EstimatorParams | None = None):
        self._robot = robot
        self.params = params or EstimatorParams()
        feet = len(robot.feet)
        self._kinematics = FootKinematics(robot)
        self._imu = self._kinematics.imu_position
        self._contact = ContactEstimator(self.params, feet)
        self._filter = VelocityFilter(self.params)
        self._pose = PoseTracker(self.params)
        joints = robot.num_joints
        self._shapes = {"q": joints, "dq": joints, "tau": joints, "gyro": 3, "accel": 3}
        self.reset()

    def reset(self) -> None:
        """Forget everything, as before the first sample."""
        self._contact.reset()
        self._filter.reset()
        self._pose.reset()
        self.fault: str | None = None
        self.degraded: str | None = None
        self._stamp_ns = -1
        self._airborne_s = 0.0
        self._trusted = np.zeros(len(self._robot.feet))
        self._slip = np.zeros((len(self._robot.feet), 3))
        self._last = self._nothing()

    @property
    def position_var(self) -> np.ndarray:
        return self._pose.var.copy()

    @property
    def accel_bias(self) -> np.ndarray:
        """Estimated bias of the accelerometer, (3,), m/s², base frame."""
        return self._filter.bias.copy()

    @property
    def innovation(self) -> float:
        """Mean squared horizontal innovation of the last correction, in variances; 1 is consistent."""
        return self._filter.innovation

    def update(self, state: RobotState) -> BaseEstimate:
        """Take a sample; never raises.

        A sample of the same stamp gives the same estimate; one that is refused (see ``fault``) gives the
        last good one, with its stamp.
        """
        if state.stamp_ns == self._stamp_ns:
            self.fault = None
            return self._last
        if self._stamp_ns - state.stamp_ns > _NEW_TIME_S * NS_PER_S:
            self.reset()
        self.fault = self._complaint(state)
        if self.fault is None:
            self._last = self._estimate(state)
            self._stamp_ns = state.stamp_ns
        return self._last

    def _complaint(self, state: RobotState) -> str | None:
        """What is wrong with a sample; None if nothing is."""
        if state.stamp_ns < self._stamp_ns:
            return f"stamp goes back by {(self._stamp_ns - state.stamp_ns) / 1e6:g} ms"
        for name, size in self._shapes.items():
            values = getattr(state, name)
            if values.shape != (size,):
                return f"{name} has {values.size} values instead of {size}"
            # A NaN compares false, too. Torques are looked at where they are needed.
            if name in _LIMITS and not values.dot(values) < _LIMITS[name] ** 2:
                return f"{name} is not finite or out of range"
        if state.quat.shape != (4,) or not 0.8 < state.quat.dot(state.quat) < 1.2:
            return "quat is not a unit quaternion"
        return None

    def _estimate(self, state: RobotState) -> BaseEstimate:
        dt = self._elapsed(state.stamp_ns)
        quat = state.quat / math.sqrt(state.quat.dot(state.quat))
        rotation, spin = rotation_matrix(quat), cross_matrix(state.gyro)
        self._kinematics.update(state.q)
        self._feel(state, rotation[2], dt)
        self._predict(dt, state.accel, rotation[2], spin)
        velocity = self._filter.velocity - spin @ self._imu
        self._pose.advance(dt, rotation @ velocity, self._filter.var)
        if self._trusted.any():
            self._correct(state.dq, rotation[2], spin)
            velocity = self._filter.velocity - spin @ self._imu
        return BaseEstimate(
            stamp_ns=state.stamp_ns,
            position=self._pose.position.copy(),
            quat=quat,
            lin_vel=velocity,
            ang_vel=state.gyro.copy(),
            contacts=self._contact.probability.copy(),
            lin_vel_cov=np.diag(self._filter.var),
        )

    def _elapsed(self, stamp_ns: int) -> float:
        """Time since the last sample, s; 0 when there is none, or none recent enough to go on from."""
        if self._stamp_ns < 0:
            return 0.0
        dt = (stamp_ns - self._stamp_ns) / NS_PER_S
        if dt <= self.params.max_gap_s:
            return dt
        self._filter.forget()
        self._pose.advance(dt, np.zeros(3), self._filter.var)
        return 0.0

    def _feel(self, state: RobotState, up: np.ndarray, dt: float) -> None:
        """Find out which feet stand, and how far each can be trusted."""
        contact, params = self._contact, self.params
        contact.update(state.foot_force, state.tau, self._kinematics, up, dt)
        self.degraded = None
        if contact.from_torque.any():
            feet = [name for name, out in zip(self._robot.feet, contact.from_torque, strict=True) if out]
            self.degraded = f"contact of {', '.join(feet)} from joint torques"
        self._trusted = contact.probability * (contact.probability >= TRUSTED)
        self._airborne_s = 0.0 if self._trusted.any() else self._airborne_s + dt
        landing = params.touchdown_noise**2 * np.exp(contact.age * (-1.0 / params.touchdown_s))
        doubt = 1.0 / np.maximum(contact.probability, TRUSTED) ** 2
        self._slip[:] = (doubt * params.foot_velocity_noise**2 + landing)[:, None]
        self._slip[:, 2] = doubt * params.foot_sink_noise**2

    def _predict(self, dt: float, accel: np.ndarray, up: np.ndarray, spin: np.ndarray) -> None:
        if self._airborne_s > self.params.flight_s:
            self._filter.fade(dt)
        else:
            self._filter.predict(dt, accel, up, spin)

    def _correct(self, dq: np.ndarray, up: np.ndarray, spin: np.ndarray) -> None:
        """Let the stance feet say how fast and how high the base is.

        The velocity of a resting contact point: v = -(J dq + w x p).
        """
        params, radius = self.params, self._robot.foot_radius
        points = self._kinematics.positions - (params.rolling * radius) * up
        jacobians = self._kinematics.jacobians(points)
        measured = -(jacobians @ dq) - (points - self._imu) @ spin.T
        var = np.add.reduce(jacobians * jacobians, axis=2) * params.joint_velocity_noise**2
        self._filter.correct(measured, var + self._slip, self._trusted)
        self._pose.stand(radius - self._kinematics.positions @ up, self._trusted)

    def _nothing(self) -> BaseEstimate:
        """What is known before the first sample."""
        zero, level = np.zeros(3), np.array((1.0, 0.0, 0.0, 0.0))
        feet = np.zeros(len(self._robot.feet))
        return BaseEstimate(0, zero, level, zero, zero, feet, np.diag(self._filter.var))
