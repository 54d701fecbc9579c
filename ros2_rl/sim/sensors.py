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
        start = model.sensor("accel").adr[0]
        self._accel = slice(start, start + 3)
        self._feet = [int(model.sensor(foot).adr[0]) for foot in robot.feet]

    def foot_forces(self, data: mujoco.MjData) -> np.ndarray:
        """Normal force under each foot without noise, shape (F,), N."""
        return data.sensordata[self._feet]

    def measure(
        self, data: mujoco.MjData, stamp_ns: int, noise: SensorNoise, rng: np.random.Generator
    ) -> RobotState:
        """One sample of all sensors."""
        j, f = self._joints, len(self._feet)
        white = rng.standard_normal(3 * j + 9 + f)
        force = self.foot_forces(data) + noise.foot_force * white[3 * j + 9 :]
        return RobotState(
            stamp_ns=stamp_ns,
            q=data.qpos[7:] + noise.q * white[:j] + noise.q_bias,
            dq=data.qvel[6:] + noise.dq * white[j : 2 * j],
            tau=data.actuator_force + noise.tau * white[2 * j : 3 * j],
            quat=turned(data.qpos[3:7], noise.orientation * white[3 * j : 3 * j + 3]),
            # A free joint's angular velocity is in the body frame, whose axes are the IMU's.
            gyro=data.qvel[3:6] + noise.gyro * white[3 * j + 3 : 3 * j + 6] + noise.gyro_bias,
            accel=data.sensordata[self._accel]
            + noise.accel * white[3 * j + 6 : 3 * j + 9]
            + noise.accel_bias,
            foot_force=np.maximum(force, 0.0),
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
