"""The state estimator: one :class:`RobotState` in, one :class:`BaseEstimate` out.

A contact-aided error-state Kalman filter (``filter.py``) that the stance feet correct (``contact.py``,
``feet.py``), and dead reckoning of the position (``pose.py``). Deterministic: the answer follows from
the samples alone. Bad samples are refused by name (``checks.py``), the last good estimate stays.
"""

import numpy as np

from ros2_rl.estimation.checks import SampleCheck
from ros2_rl.estimation.contact import TRUSTED, ContactEstimator
from ros2_rl.estimation.feet import FootFusion, FootVelocity
from ros2_rl.estimation.filter import GRAVITY, GYRO, TURN, VELOCITY, BaseFilter
from ros2_rl.estimation.kinematics import FootKinematics
from ros2_rl.estimation.params import EstimatorParams
from ros2_rl.estimation.pose import PoseTracker
from ros2_rl.estimation.rotation import cross_matrix, normalised
from ros2_rl.robots import NS_PER_S, BaseEstimate, RobotDescription, RobotState

_NEW_TIME_S = 1.0
"""A stamp further back than this begins a new time line: the robot or the simulator was restarted."""

_STANDS, _LIES = 0.8, 0.6
"""Vertical part of the base's z axis from which on the robot may stand, and below which it lies."""

_JOLT, _TUMBLE = 2.0, 0.5
"""Acceleration, m/s², and angular rate, rad/s, that a robot does not feel at rest."""


class Estimator:
    """Estimates the base of one robot.

    Attributes:
        fault: why the last sample was refused, None if it was used.
    """

    def __init__(self, robot: RobotDescription, params: EstimatorParams | None = None):
        self._robot = robot
        self.params = params or EstimatorParams()
        feet = len(robot.feet)
        self._kinematics = FootKinematics(robot)
        self._imu = self._kinematics.imu_position
        self._minus_cross_imu = -cross_matrix(self._imu)
        self._common = np.diag((1.0, 1.0, 0.0)) * self.params.speed_bias_std**2
        self._check = SampleCheck(robot)
        self._contact = ContactEstimator(self.params, feet)
        self._filter = BaseFilter(self.params)
        self._fusion = FootFusion(self.params, self._foot_var())
        self._pose = PoseTracker(self.params)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as before the first sample."""
        for part in (self._contact, self._filter, self._fusion, self._pose):
            part.reset()
        self.fault: str | None = None
        self._stamp_ns = -1
        self._airborne_s = self._quiet_s = self._dt = 0.0
        self._last = self._nothing()

    @property
    def degraded(self) -> str | None:
        """What the last estimate had to do without, None if nothing."""
        out = self._contact.from_torque
        feet = [name for name, blind in zip(self._robot.feet, out, strict=True) if blind]
        return f"contact of {', '.join(feet)} from joint torques" if feet else None

    @property
    def innovation(self) -> np.ndarray:
        """Squared innovation of the last correction by axis, in variances; 1 on average if consistent.

        (3,) for the orientation, (6,) where feet stood, then also for the velocity.
        """
        return self._filter.innovation

    @property
    def belief(self) -> np.ndarray:
        """How far each foot was believed in the last correction, (F,), 0 to 1: standing and not slipping."""
        return self._fusion.belief.copy()

    @property
    def gyro_bias(self) -> np.ndarray:
        """(3,), rad/s, base frame."""
        return self._filter.bias[:3].copy()

    @property
    def accel_bias(self) -> np.ndarray:
        """(3,), m/s², base frame."""
        return self._filter.bias[3:].copy()

    @property
    def pose_cov(self) -> np.ndarray:
        """Of position and orientation, both about the axes of the odom frame, (6, 6), m² and rad²."""
        cov, rotation = np.zeros((6, 6)), self._filter.rotation
        cov[:3, :3] = np.diag(self._pose.var)
        cov[3:, 3:] = rotation @ self._filter.cov[TURN, TURN] @ rotation.T
        return cov

    @property
    def twist_cov(self) -> np.ndarray:
        """Of linear and angular velocity in the base frame, (6, 6), (m/s)² and (rad/s)²."""
        cov = np.zeros((6, 6))
        cov[:3, :3] = self._last.lin_vel_cov
        # One sample of the gyroscope is as noisy as its band is wide: half the rate of the states.
        white = self.params.gyro_noise**2 / max(self._dt, 1e-3)
        cov[3:, 3:] = self._filter.cov[GYRO, GYRO] + white * np.eye(3)
        return cov

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
        self.fault = self._check.fault(state, self._stamp_ns)
        if self.fault is None:
            self._last = self._estimate(state)
            self._stamp_ns = state.stamp_ns
        return self._last

    def _estimate(self, state: RobotState) -> BaseEstimate:
        filter_, quat = self._filter, normalised(*state.quat.tolist())
        self._dt = dt = self._elapsed(state.stamp_ns)
        if dt == 0.0:
            filter_.turn_to(quat)
        self._kinematics.update(state.q)
        filter_.predict(dt, np.concatenate((state.gyro, state.accel)))
        trust = self._trust(state, dt)
        if self._airborne_s > self.params.flight_s:
            self._quiet_s = 0.0 if self._moved(state) else self._quiet_s + dt
            filter_.fade(dt, self.params.flight_s + self._quiet_s)
        else:
            self._quiet_s = 0.0
        self._pose.advance(dt, filter_.rotation, self._base_velocity(), filter_.velocity_var)
        if self._airborne_s == 0.0:
            filter_.correct(quat, self._shown(state.dq, trust))
            self._fusion.learn(filter_.innovation[3:], dt)
        else:
            filter_.correct(quat, None)
        return BaseEstimate(
            state.stamp_ns,
            self._pose.position.copy(),
            np.array(filter_.quat),
            self._base_velocity(),
            filter_.rate,
            self._contact.probability,
            self._velocity_cov(),
        )

    def _base_velocity(self) -> np.ndarray:
        """From that of the IMU: v - w x r."""
        return self._filter.velocity - self._minus_cross_imu.dot(self._filter.rate)

    def _moved(self, state: RobotState) -> bool:
        """Whether the IMU feels that the robot tumbles or is jolted."""
        shake = state.accel - GRAVITY * self._filter.rotation[2]
        return bool(shake.dot(shake) > _JOLT**2 or state.gyro.dot(state.gyro) > _TUMBLE**2)

    def _velocity_cov(self) -> np.ndarray:
        """Of the filter, and what it cannot learn: feet that are wrong in common for a long time."""
        return self._filter.cov[VELOCITY, VELOCITY] + self._common

    def _elapsed(self, stamp_ns: int) -> float:
        """Time since the last sample, s; 0 when there is none, or none recent enough to go on from."""
        if self._stamp_ns < 0:
            return 0.0
        dt = (stamp_ns - self._stamp_ns) / NS_PER_S
        if dt <= self.params.max_gap_s:
            return dt
        self._filter.forget()
        self._pose.advance(dt, self._filter.rotation, np.zeros(3), self._filter.velocity_var)
        return 0.0

    def _trust(self, state: RobotState, dt: float) -> np.ndarray:
        """How far each foot is trusted to stand still, (F,), 0 to 1; notes how long none has been.

        Contact probability cubed: a foot that may stand counts for less, and what it shows is less sure.
        A robot that lies does not stand on its feet, whatever they touch.
        """
        up, contact = self._filter.rotation[2], self._contact
        load = self._kinematics.mass * max(float(up.dot(state.accel)), 0.0)
        contact.update(state.foot_force, state.tau, self._kinematics, up, load, dt)
        upright = min(max((float(up[2]) - _LIES) / (_STANDS - _LIES), 0.0), 1.0)
        trust = upright * contact.probability * contact.probability * contact.probability
        self._airborne_s = 0.0 if max(trust.tolist()) > TRUSTED else self._airborne_s + max(dt, 1e-9)
        return trust

    def _shown(self, dq: np.ndarray, trust: np.ndarray) -> FootVelocity:
        """What the stance feet say about the velocity of the base; they also say how high it is.

        The velocity of a resting contact point: v = -(J dq + w x p).
        """
        radius, filter_, feet = self._robot.foot_radius, self._filter, self._kinematics.positions
        up = filter_.rotation[2]
        points = feet - (self.params.rolling * radius) * up
        arms = points - self._imu
        jacobians = self._kinematics.jacobians(points)
        measured = arms.dot(cross_matrix(filter_.rate)) - jacobians.reshape(-1, len(dq)).dot(dq).reshape(
            -1, 3
        )
        self._pose.stand(radius - feet.dot(up), trust)
        age = self._contact.age + 1e-9
        settled = age / (age + self.params.landing_s)
        return self._fusion.fuse(measured, arms, trust, settled, filter_.velocity, filter_.velocity_var)

    def _foot_var(self) -> np.ndarray:
        """Variance of what each foot shows while it stands, by axis, (F, 3), (m/s)²; in the stand pose."""
        params, legs = self.params, self._kinematics
        legs.update(self._robot.stand_pose)
        by_joints = np.square(legs.jacobians(legs.positions)).sum(axis=2) * params.joint_velocity_noise**2
        return by_joints + np.square((params.foot_velocity_noise,) * 2 + (params.foot_sink_noise,))

    def _nothing(self) -> BaseEstimate:
        """What is known before the first sample."""
        zero, level = np.zeros(3), np.array((1.0, 0.0, 0.0, 0.0))
        feet = np.zeros(len(self._robot.feet))
        return BaseEstimate(0, zero, level, zero, zero, feet, self._velocity_cov())
