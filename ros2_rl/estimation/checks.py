"""Whether a sample can be used at all: its faults by name, before any of it is believed."""

import numpy as np

from ros2_rl.robots import RobotDescription, RobotState

_LARGEST = {"q": 100.0, "dq": 1000.0, "gyro": 100.0, "accel": 1000.0}
"""Largest plausible norm, in its unit; beyond it a sensor is broken, not moving."""


class SampleCheck:
    """Checks the samples of one robot."""

    def __init__(self, robot: RobotDescription):
        joints = robot.num_joints
        sizes = {"q": joints, "dq": joints, "gyro": 3, "accel": 3}
        self._parts = [(name, (size,), _LARGEST[name] ** 2) for name, size in sizes.items()]
        self._joints = (joints,)

    def fault(self, state: RobotState, last_ns: int) -> str | None:
        """What is wrong with a sample that comes after one of stamp ``last_ns``; None if nothing is.

        Torques and foot forces are looked at where they are needed: without them the estimate is worse,
        not wrong.
        """
        if state.stamp_ns < last_ns:
            back = (last_ns - state.stamp_ns) / 1e6
            return f"stamp goes back by {back:g} ms: states must come in the order of their stamps"
        for name, shape, most in self._parts:
            values = getattr(state, name)
            # A NaN compares false, too.
            if values.shape != shape or not values.dot(values) < most:
                return self._why(name, values, shape)
        if state.tau.shape != self._joints:
            return self._why("tau", state.tau, self._joints)
        if state.quat.shape != (4,) or not 0.8 < state.quat.dot(state.quat) < 1.2:
            return "quat is not a unit quaternion: the IMU gives no orientation"
        return None

    def _why(self, name: str, values: np.ndarray, shape: tuple[int]) -> str:
        if values.shape != shape:
            return f"{name} has {values.size} values instead of {shape[0]}: check the driver"
        where = int(np.argmax(np.where(np.isfinite(values), np.abs(values), np.inf)))
        return f"{name} is not finite or out of range (value {where} is {values[where]:g})"
