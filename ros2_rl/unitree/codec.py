"""Between Unitree's messages and the library's plain types: joint order, units, set-points.

Unitree counts legs FR, FL, RR, RL and joints hip, thigh, calf; here it goes by name into robot order.
"""

import numpy as np

from ros2_rl.errors import ConfigError
from ros2_rl.robots import GainSet, JointCommand, MotorCommand, RobotDescription, RobotState
from ros2_rl.unitree import layout

LEGS = ("FR", "FL", "RR", "RL")
SDK_JOINTS = tuple(f"{leg}_{part}_joint" for leg in LEGS for part in ("hip", "thigh", "calf"))
"""Joints by motor number, 0 to 11."""
SDK_FEET = tuple(f"{leg}_foot" for leg in LEGS)
_JOINTS = len(SDK_JOINTS)


class Codec:
    """Reads LowState and writes LowCmd for one robot description.

    Args:
        robot: the robot.
        foot_force_scale: N per unit of ``foot_force``.

    Raises:
        ConfigError: the description is not that of a Go2.
    """

    def __init__(self, robot: RobotDescription, foot_force_scale: float = 1.0):
        if sorted(robot.joints) != sorted(SDK_JOINTS) or sorted(robot.feet) != sorted(SDK_FEET):
            raise ConfigError(
                f"The robot '{robot.name}' is not a Go2: joints and feet of its description must be "
                f"{', '.join(SDK_JOINTS)} and {', '.join(SDK_FEET)}, in any order."
            )
        self._robot, self._scale = robot, foot_force_scale
        self._motors = np.array([SDK_JOINTS.index(joint) for joint in robot.joints])
        self._joints = np.argsort(self._motors)
        self._feet = np.array([SDK_FEET.index(foot) for foot in robot.feet])
        self._foot_order = np.argsort(self._feet)
        self._frame = layout.new_low_cmd()

    # ---- LowState

    def state(self, payload: bytes, stamp_ns: int) -> RobotState:
        """The sensors of a LowState (C struct) in robot order and SI units."""
        frame = np.frombuffer(payload, layout.LOW_STATE)[0]
        motors, imu = frame["motor_state"][self._motors], frame["imu_state"]
        return RobotState(
            stamp_ns=stamp_ns,
            q=motors["q"].astype(float),
            dq=motors["dq"].astype(float),
            tau=motors["tau_est"].astype(float),
            quat=imu["quaternion"].astype(float),
            gyro=imu["gyroscope"].astype(float),
            accel=imu["accelerometer"].astype(float),
            foot_force=frame["foot_force"][self._feet] * self._scale,
        )

    def write_state(self, frame: np.ndarray, state: RobotState) -> None:
        """Inverse of :meth:`state`: fill in the sensors of a LowState (0-d structured array)."""
        motors, imu = frame["motor_state"][:_JOINTS], frame["imu_state"]
        motors["q"], motors["dq"] = state.q[self._joints], state.dq[self._joints]
        motors["tau_est"] = state.tau[self._joints]
        imu["quaternion"], imu["gyroscope"], imu["accelerometer"] = state.quat, state.gyro, state.accel
        imu["rpy"] = _roll_pitch_yaw(state.quat)
        force = np.clip(state.foot_force[self._foot_order] / self._scale, -32768, 32767)
        frame["foot_force"] = frame["foot_force_est"] = np.rint(force)

    def temperatures(self, payload: bytes) -> np.ndarray:
        """Motor temperatures in robot order, °C."""
        return np.frombuffer(payload, layout.LOW_STATE)[0]["motor_state"]["temperature"][self._motors]

    # ---- LowCmd

    def command(self, command: JointCommand | None) -> bytes:
        """A sealed LowCmd; None switches the motors off."""
        motors = self._frame["motor_cmd"][:_JOINTS]
        if command is None:
            motors["mode"], motors["q"], motors["dq"] = layout.MOTOR_OFF, layout.POS_STOP, layout.VEL_STOP
            motors["tau"] = motors["kp"] = motors["kd"] = 0.0
            return layout.sealed(self._frame)
        gains: GainSet = self._robot.gains[command.gains]
        motors["mode"] = layout.SERVO
        for name, values in (
            ("q", command.q), ("dq", command.dq), ("tau", command.tau), ("kp", gains.kp), ("kd", gains.kd),
        ):  # fmt: skip
            motors[name] = values[self._joints]
        return layout.sealed(self._frame)

    def motor_command(self, payload: bytes, stamp_ns: int) -> MotorCommand:
        """What a LowCmd (C struct) asks of the drives, in robot order."""
        motors = np.frombuffer(payload, layout.LOW_CMD)[0]["motor_cmd"][self._motors]
        on = motors["mode"] == layout.SERVO
        position = on & ~(motors["q"] >= layout.POS_STOP)  # so that NaN stays what it is
        speed = on & ~(motors["dq"] >= layout.VEL_STOP)
        return MotorCommand(
            stamp_ns,
            q=np.where(position, motors["q"], 0.0).astype(float),
            dq=np.where(speed, motors["dq"], 0.0).astype(float),
            tau=np.where(on, motors["tau"], 0.0).astype(float),
            kp=np.where(position, motors["kp"], 0.0).astype(float),
            kd=np.where(speed, motors["kd"], 0.0).astype(float),
        )


def _roll_pitch_yaw(quat: np.ndarray) -> tuple[float, float, float]:
    """Euler angles of an orientation (w, x, y, z), rad."""
    w, x, y, z = quat
    return (
        np.arctan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)),
        np.arcsin(np.clip(2 * (w * y - z * x), -1.0, 1.0)),
        np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)),
    )
