"""Guards of joints and drives: readings that cannot be, loads that must not last, drives that fail."""

import numpy as np

from ros2_rl.robots import JointCommand, RobotDescription, RobotState
from ros2_rl.safety.guards.base import Guard, TickGuard
from ros2_rl.safety.rules import DriveRule, MarginRule, ShareRule, TemperatureRule
from ros2_rl.safety.senses import Sample, Tick


class JointPositionGuard(Guard):
    """A joint that reads far outside its limits has a broken encoder."""

    name = "joint position"

    def __init__(self, robot: RobotDescription, settings: MarginRule):
        super().__init__(settings)
        self._names = robot.joints
        self._lower, self._upper = robot.q_lower - settings.beyond, robot.q_upper + settings.beyond

    def sees(self, sample: Sample) -> bool:
        q = sample.state.q
        return bool((q < self._lower).any() or (q > self._upper).any())

    def cause(self, sample: Sample) -> str:
        q = sample.state.q
        worst = int(np.maximum(self._lower - q, q - self._upper).argmax())
        return f"{self._names[worst]} reads {q[worst]:.2f} rad, far outside its limits"


class _ShareGuard(Guard):
    """Some joint's reading is above a share of its limit."""

    def __init__(self, robot: RobotDescription, limit: np.ndarray, settings: ShareRule):
        super().__init__(settings)
        self._names, self._most = robot.joints, settings.share * limit

    def reading(self, state: RobotState) -> np.ndarray:
        raise NotImplementedError

    def sees(self, sample: Sample) -> bool:
        reading = self.reading(sample.state)
        return bool((reading > self._most).any() or (reading < -self._most).any())

    def worst(self, sample: Sample) -> tuple[str, float]:
        """Name and reading of the joint that is the most above its share."""
        reading = np.abs(self.reading(sample.state))
        joint = int((reading / self._most).argmax())
        return self._names[joint], float(reading[joint])


class JointSpeedGuard(_ShareGuard):
    """A joint above its speed limit: the limiter lets it brake only."""

    name = "joint speed"

    def __init__(self, robot: RobotDescription, settings: ShareRule):
        super().__init__(robot, robot.dq_max, settings)

    def reading(self, state: RobotState) -> np.ndarray:
        return state.dq

    def cause(self, sample: Sample) -> str:
        joint, speed = self.worst(sample)
        return f"{joint} turns at {speed:.1f} rad/s"


class JointSpeedFaultGuard(JointSpeedGuard):
    """A joint that reads a speed which no drive reaches has a broken encoder."""

    name = "joint speed fault"


class JointTorqueFaultGuard(_ShareGuard):
    """A joint that reads a torque which no drive gives."""

    name = "joint torque fault"

    def __init__(self, robot: RobotDescription, settings: ShareRule):
        super().__init__(robot, robot.tau_max, settings)

    def reading(self, state: RobotState) -> np.ndarray:
        return state.tau

    def cause(self, sample: Sample) -> str:
        joint, torque = self.worst(sample)
        return f"{joint} gives {torque:.0f} N·m"


class JointLoadGuard(JointTorqueFaultGuard):
    """A joint that pushes with all its might for long is jammed, or burns out."""

    name = "joint load"


class TemperatureGuard(TickGuard):
    """A motor is too hot to go on."""

    name = "temperature"

    def __init__(self, robot: RobotDescription, settings: TemperatureRule):
        super().__init__(settings)
        self._names, self._limit = robot.joints, settings.limit_c

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        hot = sample.senses.temperatures
        return hot is not None and bool(hot.max() > self._limit)

    def cause(self, sample: Sample) -> str:
        hot = sample.senses.temperatures
        assert hot is not None
        return f"the motor of {self._names[int(hot.argmax())]} has {hot.max():.0f} deg C"


class DriveGuard(TickGuard):
    """A drive does not give the torque that its command means: it is off, or the joint is lost.

    The torque that the PD loop makes of the last command is compared with what the joint reads, both as
    leaky means of their size: a late or weak drive passes, a dead one does not. Only a robot on its feet
    is watched, since in the wild moves of a recovery a late drive may look like a dead one.
    """

    name = "drive"

    def __init__(self, robot: RobotDescription, settings: DriveRule):
        super().__init__(settings)
        self._names, self._gains, self._most = robot.joints, robot.gains, robot.tau_max
        self._settings = settings
        self._asked, self._given = np.zeros(robot.num_joints), np.zeros(robot.num_joints)

    def reset(self) -> None:
        super().reset()
        self._asked[:], self._given[:] = 0.0, 0.0

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        settings = self._settings
        if not sample.stands or sample.sent is None:
            self._asked[:], self._given[:] = 0.0, 0.0
            return False
        gain = min(tick.dt_s / settings.mean_s, 1.0)
        self._asked += gain * (np.abs(self._torque(sample.sent, sample.state)) - self._asked)
        self._given += gain * (np.abs(sample.state.tau) - self._given)
        return bool(self._dead().any())

    def cause(self, sample: Sample) -> str:
        dead = [name for name, out in zip(self._names, self._dead(), strict=True) if out]
        return f"{', '.join(dead)} gives no torque, whatever is asked for"

    def _dead(self) -> np.ndarray:
        asked = self._asked
        return (asked > self._settings.asked_nm) & (self._given < self._settings.share * asked)

    def _torque(self, sent: JointCommand, state: RobotState) -> np.ndarray:
        gains = self._gains[sent.gains]
        torque = gains.kp * (sent.q - state.q) + gains.kd * (sent.dq - state.dq) + sent.tau
        return np.minimum(np.maximum(torque, -self._most), self._most)
