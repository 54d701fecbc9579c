"""The sensors of the simulated robot, with their noise."""

import mujoco
import numpy as np

from ros2_rl.robots import RobotDescription, RobotState
from ros2_rl.sim.perturbations import SensorNoise


class Sensors:
    """Reads a MuJoCo state as the robot's own sensors would.

    Positions, velocities and the IMU's orientation and rate are those of the stamp. Forces (torque,
    specific force, feet) are those that acted during the physics step that ended at the stamp.
    """

    def __init__(self, robot: RobotDescription, model: mujoco.MjModel):
        self._joints = robot.num_joints
        first = model.joint(robot.joints[0])
        self._q = slice(int(first.qposadr[0]), int(first.qposadr[0]) + self._joints)
        self._dq = slice(int(first.dofadr[0]), int(first.dofadr[0]) + self._joints)
        self._at_rest = -model.opt.gravity
        self._accel: slice | None = None
        if robot.imu_link:
            start = model.sensor("accel").adr[0]
            self._accel = slice(start, start + 3)
        self._feet = [int(model.sensor(foot).adr[0]) for foot in robot.feet]

    def foot_forces(self, data: mujoco.MjData) -> np.ndarray:
        """Normal force under each foot without noise, shape (F,), N."""
        return data.sensordata[self._feet]

    def measure(
        self, data: mujoco.MjData, stamp_ns: int, noise: SensorNoise, rng: np.random.Generator
    ) -> RobotState:
        """One sample of all sensors; a robot without an IMU is level and at rest."""
        j, f = self._joints, len(self._feet)
        white = rng.standard_normal(3 * j + 9 + f)
        force = self.foot_forces(data) + noise.foot_force * white[3 * j + 9 :]
        quat, gyro, accel = self._imu(data, noise, white[3 * j : 3 * j + 9])
        return RobotState(
            stamp_ns=stamp_ns,
            q=data.qpos[self._q] + noise.q * white[:j] + noise.q_bias,
            dq=data.qvel[self._dq] + noise.dq * white[j : 2 * j],
            tau=data.actuator_force + noise.tau * white[2 * j : 3 * j],
            quat=quat,
            gyro=gyro,
            accel=accel,
            foot_force=np.maximum(force, 0.0),
        )

    def _imu(
        self, data: mujoco.MjData, noise: SensorNoise, white: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Orientation (w, x, y, z), angular velocity and specific force; ``white``: nine random numbers."""
        if self._accel is None:
            return np.array((1.0, 0.0, 0.0, 0.0)), np.zeros(3), self._at_rest.copy()
        return (
            turned(data.qpos[3:7], noise.orientation * white[:3]),
            # A free joint's angular velocity is in the body frame, whose axes are the IMU's.
            data.qvel[3:6] + noise.gyro * white[3:6] + noise.gyro_bias,
            data.sensordata[self._accel] + noise.accel * white[6:] + noise.accel_bias,
        )


def turned(quat: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """``quat`` (w, x, y, z) turned by a small rotation vector (3,), rad, in the body frame."""
    (w, x, y, z), (a, b, c) = quat.tolist(), (0.5 * angle).tolist()
    out = np.array(
        (
            w - x * a - y * b - z * c,
            w * a + x + y * c - z * b,
            w * b + y + z * a - x * c,
            w * c + z + x * b - y * a,
        )
    )
    return out / np.sqrt(out @ out)
