"""The batched environment in which the recovery policy is pre-trained.

It sees proprioception only and has one aim, whatever the task was: bring the robot from any
pose back to standing still (SLowRL's pi_r). Unlike MuJoCo Playground's get-up, targets are relative
to the stand pose, not to the present one: then no action means to stand, and little is to be learned
where little is wrong.
"""

import numpy as np
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from ros2_rl.pretraining.batch_sim import BatchSim
from ros2_rl.pretraining.roll_over import drop, roll
from ros2_rl.robots import RobotDescription, projected_gravity

ANG_VEL_SCALE, JOINT_VEL_SCALE = 0.25, 0.05
ACTION_SCALE, ACTION_CLIP = 0.75, 3.0
NOISE = {"ang_vel": 0.1, "gravity": 0.02, "q": 0.01, "dq": 0.5}
_POOL = 2048
"""Number of fallen poses that are prepared at the start."""


class RecoveryEnv(VecEnv):
    """Robots that lie, tumble or tilt, and are to stand; 20 ms a step."""

    def __init__(self, robot: RobotDescription, cfg: dict, num_envs: int, seed: int):
        self.robot, self.cfg, self.device = robot, cfg, "cpu"
        self.num_envs, self.num_actions = num_envs, robot.num_joints
        self.max_episode_length = int(cfg["episode_s"] / 0.02)
        self.episode_length_buf = torch.zeros(num_envs, dtype=torch.long)
        self._rng = np.random.default_rng(seed)
        self.sim = BatchSim(robot, num_envs, cfg["physics_dt"], cfg.get("threads", 0))
        self.action = np.zeros((num_envs, self.num_actions))
        self.last_action = np.zeros_like(self.action)
        self._sums: dict[str, np.ndarray] = {}
        self._pool = self._fallen_poses()
        self._reset(np.arange(num_envs))

    def get_observations(self) -> TensorDict:
        """Groups ``policy`` (N, 42), noisy, and ``critic`` (N, 50) with velocity, height, contacts."""
        sim, noise = self.sim, self._noise
        policy = np.concatenate(
            (
                (sim.ang_vel + noise("ang_vel", 3)) * ANG_VEL_SCALE,
                projected_gravity(sim.quat) + noise("gravity", 3),
                sim.q - self.robot.default_pose + noise("q", 12),
                (sim.dq + noise("dq", 12)) * JOINT_VEL_SCALE,
                self.action,
            ),
            axis=1,
        )
        contacts = np.minimum(sim.foot_force / 50.0, 2.0)
        critic = np.concatenate((policy, sim.lin_vel(), sim.qpos[:, 2:3], contacts), axis=1)
        tensors = {"policy": torch.from_numpy(policy).float(), "critic": torch.from_numpy(critic).float()}
        return TensorDict(tensors, batch_size=[self.num_envs])

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict]:
        """One control step; an episode ends by time only (or when the physics breaks)."""
        robot = self.robot
        self.last_action = self.action
        self.action = np.clip(actions.cpu().numpy().astype(float), -ACTION_CLIP, ACTION_CLIP)
        targets = np.clip(robot.default_pose + ACTION_SCALE * self.action, robot.q_lower, robot.q_upper)
        self.sim.step(targets)
        self.episode_length_buf += 1
        broken = ~np.isfinite(self.sim.state).all(axis=1)
        reward = np.where(broken, 0.0, self._reward())
        late = self.episode_length_buf.numpy() >= self.max_episode_length
        done = broken | late
        extras: dict = {"time_outs": torch.from_numpy(late & ~broken), "log": {}}
        if done.any():
            index = np.flatnonzero(done)
            extras["log"] = {f"/episode/{k}": float(v[index].mean()) for k, v in self._sums.items()}
            extras["log"]["/episode/standing_at_end"] = float(self._standing()[index].mean())
            self._reset(index)
        return self.get_observations(), torch.from_numpy(reward).float(), torch.from_numpy(done), extras

    def _standing(self) -> np.ndarray:
        """Upright (within 10 degrees) and at height, (N,) of bool."""
        up = -projected_gravity(self.sim.quat)[:, 2]
        return (up > 0.985) & (self.sim.qpos[:, 2] > 0.22)

    def _noise(self, name: str, size: int) -> np.ndarray:
        return NOISE[name] * self._rng.uniform(-1, 1, (self.num_envs, size))

    def _reward(self) -> np.ndarray:
        sim, robot = self.sim, self.robot
        up = -projected_gravity(sim.quat)[:, 2]
        low = np.clip(0.275 - sim.qpos[:, 2], 0.0, None)
        offset = sim.q - robot.stand_pose
        upright = np.clip((up - 0.7) / 0.25, 0.0, 1.0)
        high = upright * np.exp(-((low / 0.08) ** 2))
        speed = np.sum(sim.qvel[:, :6] ** 2, axis=1)
        margin = np.maximum(sim.q - robot.q_upper, robot.q_lower - sim.q).max(axis=1)
        terms = {
            # Linear in the angle: a cosine would be flat where the robot lies on its back.
            "upright": 2.0 * (1.0 - np.arccos(np.clip(up, -1.0, 1.0)) / np.pi) + np.exp(-4.0 * (1.0 - up)),
            "height": 3.0 * upright * (1.0 - low / 0.275),
            "posture": 2.0 * high * np.exp(-0.5 * np.sum(offset**2, axis=1)),
            "still": high * np.exp(-speed),
            "action_rate": -0.002 * np.sum((self.action - self.last_action) ** 2, axis=1),
            "action": -0.01 * high * np.sum(self.action**2, axis=1),
            "torques": -5e-5 * np.sum(sim.torque() ** 2, axis=1),
            "joint_speed": -2e-4 * np.sum(sim.dq**2, axis=1),
            "joint_limit": -2.0 * np.clip(margin + 0.05, 0.0, 0.5),
            "body_speed": -0.02 * np.minimum(speed, 50.0),
        }
        total = np.sum(list(terms.values()), axis=0)
        for name, value in (*terms.items(), ("return", total)):
            self._sums.setdefault(name, np.zeros(self.num_envs))[:] += value * 0.02
        return total * 0.02

    def _fallen_poses(self) -> tuple[np.ndarray, np.ndarray]:
        """Poses from which the policy must get up: qpos (P, 19), qvel (P, 18).

        What a limp drop from a random orientation leaves; robots on their backs are rolled over
        first, as the recovery controller does it.
        """
        everybody = np.arange(self.num_envs)
        positions, speeds = [], []
        for _ in range(-(-_POOL // self.num_envs)):
            drop(self.sim, self.robot, self._rng)
            lying = self.sim.qpos.copy(), self.sim.qvel.copy()
            on_back = projected_gravity(self.sim.quat)[:, 2] > 0.3
            self.sim.randomise(everybody, self._rng, self.cfg["randomise"])
            roll(self.sim, self.robot)
            positions.append(np.where(on_back[:, None], self.sim.qpos, lying[0]))
            speeds.append(np.where(on_back[:, None], self.sim.qvel, lying[1]))
        good = np.isfinite(np.concatenate(positions)).all(axis=1)
        return np.concatenate(positions)[good], np.concatenate(speeds)[good]

    def _reset(self, index: np.ndarray) -> None:
        k, rng = len(index), self._rng
        self.sim.randomise(index, rng, self.cfg["randomise"])
        qpos, qvel = self._tilted(k)
        fallen = rng.random(k) < self.cfg["fallen_share"]
        pick = rng.integers(0, len(self._pool[0]), k)
        qpos[fallen], qvel[fallen] = self._pool[0][pick[fallen]], self._pool[1][pick[fallen]]
        qpos[:, :2] = 0.0
        self.sim.place(index, qpos, qvel)
        self.action[index] = self.last_action[index] = 0.0
        self.episode_length_buf[index] = 0
        for values in self._sums.values():
            values[index] = 0.0

    def _tilted(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Robots on their legs that tilt and stumble: what a tilt guard hands over."""
        rng, robot = self._rng, self.robot
        qpos = np.zeros((k, 19))
        axis = rng.uniform(-np.pi, np.pi, k)
        half = 0.5 * rng.uniform(0.0, 0.9, k)
        qpos[:, 3], qpos[:, 4], qpos[:, 5] = (
            np.cos(half),
            np.sin(half) * np.cos(axis),
            np.sin(half) * np.sin(axis),
        )
        qpos[:, 2] = 0.30 + 0.2 * np.sin(half)
        qpos[:, 7:] = np.clip(
            robot.stand_pose + rng.uniform(-0.6, 0.6, (k, 12)), robot.q_lower, robot.q_upper
        )
        qvel = rng.uniform(-1.0, 1.0, (k, 18))
        qvel[:, 3:6] *= 3.0
        qvel[:, 6:] *= 3.0
        return qpos, qvel
