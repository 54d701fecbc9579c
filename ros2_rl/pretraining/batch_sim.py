"""Many robots at once: MuJoCo's threaded rollout behind plain arrays.

Every robot has a model of its own, so that each can be randomised. The PD loop runs inside the
physics step; actuation delay is a shift of the targets by whole physics steps.
"""

import copy
import os

import mujoco
import numpy as np
from mujoco.rollout import Rollout

from ros2_rl.robots import RobotDescription
from ros2_rl.sim.model import build_model


class BatchSim:
    """``num_envs`` robots that advance together by one control step at a time."""

    def __init__(self, robot: RobotDescription, num_envs: int, physics_dt: float, threads: int = 0):
        """Build the models; ``physics_dt`` in s divides 20 ms; ``threads`` 0 means one a core."""
        self.robot, self.num_envs = robot, num_envs
        self.substeps = substeps = round(0.02 / physics_dt)
        nominal = build_model(robot, physics_dt)
        self.nominal = nominal
        self.models = [copy.copy(nominal) for _ in range(num_envs)]
        threads = threads or os.cpu_count() or 1
        self._data = [mujoco.MjData(nominal) for _ in range(threads)]
        self._rollout = Rollout(nthread=threads)
        self._spec = mujoco.mjtState.mjSTATE_FULLPHYSICS
        size = mujoco.mj_stateSize(nominal, self._spec)
        self.state = np.zeros((num_envs, size))  # time, qpos, qvel
        self.qpos = self.state[:, 1 : 1 + nominal.nq]
        self.qvel = self.state[:, 1 + nominal.nq : 1 + nominal.nq + nominal.nv]
        self.delay = np.zeros(num_envs, dtype=int)
        """Actuation delay of each robot in physics steps, less than ``substeps``."""
        self._targets = np.tile(robot.stand_pose, (num_envs, 1))
        shape = (num_envs, robot.num_joints)
        self.kp, self.kd, self.limit = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self._out = np.zeros((num_envs, substeps, size))
        self._sensors = np.zeros((num_envs, substeps, nominal.nsensordata))
        adr = {nominal.sensor(i).name: nominal.sensor_adr[i] for i in range(nominal.nsensor)}
        self._touch = [adr[foot] for foot in robot.feet]
        self._linvel = slice(adr["linvel"], adr["linvel"] + 3)
        self._step_index = np.arange(substeps)

    def step(self, targets: np.ndarray) -> None:
        """Advance all robots by one control step under joint position targets (N, J)."""
        late = self._step_index[None, :, None] < self.delay[:, None, None]
        control = np.where(late, self._targets[:, None], targets[:, None])
        self._rollout.rollout(
            self.models, self._data, self.state, control, state=self._out, sensordata=self._sensors
        )
        self._targets[:] = targets
        self.state[:] = self._out[:, -1]

    def drive(self, index: np.ndarray, kp: np.ndarray, kd: np.ndarray, limit: np.ndarray) -> None:
        """Give the robots ``index`` (K,), which share one model, gains and torque limits (J,)."""
        model = self.models[index[0]]
        self.kp[index], self.kd[index], self.limit[index] = kp, kd, limit
        model.actuator_gainprm[:, 0] = kp
        model.actuator_biasprm[:, 1], model.actuator_biasprm[:, 2] = -kp, -kd
        model.actuator_forcerange[:] = np.stack((-limit, limit), axis=1)

    def hold(self, targets: np.ndarray) -> None:
        """Make these the joint targets (N, J) of the control step before, which last on for the delay."""
        self._targets[:] = targets

    def place(self, index: np.ndarray, qpos: np.ndarray, qvel: np.ndarray) -> None:
        """Put the robots ``index`` (K,) into a state and let them hold their pose."""
        self.state[index, 0] = 0.0
        self.qpos[index], self.qvel[index] = qpos, qvel
        self._targets[index] = qpos[:, 7:]
        self._sensors[index] = 0.0

    @property
    def q(self) -> np.ndarray:
        """Joint positions, (N, J)."""
        return self.qpos[:, 7:]

    @property
    def dq(self) -> np.ndarray:
        """Joint velocities, (N, J)."""
        return self.qvel[:, 6:]

    @property
    def quat(self) -> np.ndarray:
        """Base orientation (w, x, y, z), (N, 4)."""
        return self.qpos[:, 3:7]

    @property
    def ang_vel(self) -> np.ndarray:
        """Base angular velocity in the base frame, (N, 3)."""
        return self.qvel[:, 3:6]

    @property
    def foot_force(self) -> np.ndarray:
        """Mean normal force under each foot over the last two physics steps, N, (N, F)."""
        return self._sensors[:, -2:, self._touch].mean(axis=1)

    def lin_vel(self) -> np.ndarray:
        """Base linear velocity in the base frame, (N, 3)."""
        return rotate_inverse(self.quat, self.qvel[:, :3])

    def torque(self) -> np.ndarray:
        """Joint torques of the last PD law, clipped at each motor's limit, (N, J)."""
        force = self.kp * (self._targets - self.q) - self.kd * self.dq
        return np.clip(force, -self.limit, self.limit)

    def randomise(self, index: np.ndarray, rng: np.random.Generator, ranges: dict) -> None:
        """Draw new dynamics for the robots ``index``: see ``config/pretraining/*.yaml``."""
        for i in index:
            self._randomise_one(int(i), rng, ranges)

    def _randomise_one(self, i: int, rng: np.random.Generator, ranges: dict) -> None:
        model, nominal = self.models[i], self.nominal
        base = nominal.body(self.robot.base_link).id
        payload = rng.uniform(*ranges["payload_kg"])
        model.body_mass[base] = nominal.body_mass[base] + payload
        scale = model.body_mass[base] / nominal.body_mass[base]
        model.body_inertia[base] = nominal.body_inertia[base] * scale
        model.body_ipos[base] = nominal.body_ipos[base] + rng.uniform(-1, 1, 3) * ranges["com_m"]
        model.geom_friction[:, 0] = rng.uniform(*ranges["friction"])
        low, high = ranges["leg_strength"]
        strength = np.repeat(rng.uniform(low, high, len(self.robot.feet)), 3)
        strength = strength * rng.uniform(*ranges["gain_scale"])
        gains = self.robot.gains[ranges.get("gains", "policy")]
        limit = self.robot.tau_max * np.minimum(strength, 1.0)
        self.drive(np.array([i]), gains.kp * strength, gains.kd * strength, limit)
        low, high = (round(0.001 * ms / model.opt.timestep) for ms in ranges["delay_ms"])
        self.delay[i] = rng.integers(low, high + 1)


def rotate_inverse(quat: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Rotate world vectors (N, 3) into the frames given by quaternions (w, x, y, z) (N, 4)."""
    w, u = quat[:, :1], quat[:, 1:]
    cross = np.cross(u, vector)
    return vector - 2.0 * w * cross + 2.0 * np.cross(u, cross)
