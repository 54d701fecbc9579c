"""The batched environment in which a task's base policy is pre-trained; as it stands, the trot's.

Observation, action, clock and reward are those of the task; what only the simulator knows
(foot clearance, slip) is used as shaping here and nowhere else.
"""

import numpy as np
import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from ros2_rl.pretraining.batch_sim import BatchSim
from ros2_rl.robots import RobotDescription, projected_gravity
from ros2_rl.tasks import StepData, Task

ANG_VEL_SCALE, JOINT_VEL_SCALE = 0.25, 0.05
ACTION_SCALE, ACTION_CLIP = 0.25, 8.0
CONTACT_FORCE = 20.0  # N
NOISE = {"ang_vel": 0.1, "gravity": 0.02, "q": 0.01, "dq": 0.5, "lin_vel": 0.05}


class VelocityEnv(VecEnv):
    """Robots that follow velocity commands; one control step of ``task.step_dt`` each step."""

    def __init__(self, robot: RobotDescription, task: Task, cfg: dict, num_envs: int, seed: int):
        self.robot, self.task, self.cfg, self.device = robot, task, cfg, "cpu"
        self.num_envs, self.num_actions = num_envs, robot.num_joints
        self.max_episode_length = int(cfg["episode_s"] / task.step_dt)
        self.episode_length_buf = torch.zeros(num_envs, dtype=torch.long)
        self._rng = np.random.default_rng(seed)
        self.sim = BatchSim(robot, num_envs, cfg["physics_dt"], cfg.get("threads", 0))
        self._feet = [self.sim.nominal.body(f).id for f in robot.feet]
        self.command = np.zeros((num_envs, 3))
        self.action = np.zeros((num_envs, self.num_actions))
        self.last_action = np.zeros_like(self.action)
        self.phase = np.zeros(num_envs, dtype=int)
        self._scorer = task.scorer(num_envs)
        self._sums: dict[str, np.ndarray] = {}
        self._reset(np.arange(num_envs))

    @property
    def command_scale(self) -> float:
        """What the policy sees of the command, as a multiple of it."""
        return 1.0

    @property
    def clock(self) -> np.ndarray:
        return self.task.clock.at(self.phase, self.command)

    def get_observations(self) -> TensorDict:
        """Groups ``policy`` (N, D), noisy, and ``critic`` (N, D + 8), see ``StepRecord``."""
        sim, noise = self.sim, self._noise
        gravity = projected_gravity(sim.quat)
        policy = np.concatenate(
            (
                (sim.ang_vel + noise("ang_vel", 3)) * ANG_VEL_SCALE,
                gravity + noise("gravity", 3),
                self.command * self.command_scale,
                sim.q - self.robot.default_pose + noise("q", 12),
                (sim.dq + noise("dq", 12)) * JOINT_VEL_SCALE,
                self.action,
                self.clock,
            ),
            axis=1,
        )
        critic = np.concatenate(
            (policy, sim.lin_vel() + noise("lin_vel", 3), sim.qpos[:, 2:3], self._contacts), axis=1
        )
        tensors = {"policy": torch.from_numpy(policy).float(), "critic": torch.from_numpy(critic).float()}
        return TensorDict(tensors, batch_size=[self.num_envs])

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict]:
        """One control step; robots that fell or timed out start anew."""
        self.last_action = self.action
        self.action = np.clip(actions.cpu().numpy().astype(float), -ACTION_CLIP, ACTION_CLIP)
        self.sim.step(self.robot.default_pose + ACTION_SCALE * self.action)
        self.phase += 1
        self.episode_length_buf += 1
        reward = self._reward()
        fallen = (projected_gravity(self.sim.quat)[:, 2] > -0.5) | (self.sim.qpos[:, 2] < 0.12)
        broken = ~np.isfinite(self.sim.state).all(axis=1)
        late = self.episode_length_buf.numpy() >= self.max_episode_length
        done = fallen | broken | late
        extras: dict = {"time_outs": torch.from_numpy(late & ~fallen), "log": {}}
        self._new_commands()
        self._push()
        if done.any():
            index = np.flatnonzero(done)
            extras["log"] = {f"/episode/{k}": float(v[index].mean()) for k, v in self._sums.items()}
            extras["log"]["/episode/falls"] = float(fallen[index].mean())
            self._reset(index)
        return self.get_observations(), torch.from_numpy(reward).float(), torch.from_numpy(done), extras

    @property
    def _contacts(self) -> np.ndarray:
        return (self.sim.foot_force > CONTACT_FORCE).astype(float)

    def _noise(self, name: str, size: int) -> np.ndarray:
        return NOISE[name] * self._rng.uniform(-1, 1, (self.num_envs, size))

    def _reward(self) -> np.ndarray:
        sim = self.sim
        data = StepData(
            self.command, self.clock, sim.lin_vel(), sim.ang_vel, projected_gravity(sim.quat),
            sim.qpos[:, 2], self._contacts, sim.q - self.robot.default_pose, sim.torque(),
            self.action, self.last_action,
        )  # fmt: skip
        total, terms = self._scorer.score(data, self.phase - 1)
        for name, value in (*terms.items(), ("return", total)):
            self._sums.setdefault(name, np.zeros(self.num_envs))[:] += value
        return np.maximum(total + self._shaping() * self.task.step_dt, 0.0)

    def _shaping(self) -> np.ndarray:
        """What only the simulator rewards, (N,)."""
        return self.cfg["swing_height"] * self._swing_height()

    def _swing_height(self) -> np.ndarray:
        """How far the swing feet are below their apex, by leg length alone, (N,).

        The distance hip to foot follows from the knee: l² = 2 L² (1 + cos(knee)).
        """
        knee = self.sim.q[:, 2::3]
        length = 0.213 * np.sqrt(2.0 * (1.0 + np.cos(knee)))
        lift = np.clip(-self.clock[:, :1] * np.array([1.0, -1.0, -1.0, 1.0]), 0.0, 1.0)
        wanted = 0.29 - self.cfg["clearance_m"] * lift
        return np.sum(lift * np.abs(wanted - length), axis=1)

    def _new_commands(self) -> None:
        """Change the commands that are due, after a step."""
        self._resample(
            np.flatnonzero(self._rng.random(self.num_envs) < self.task.step_dt / self.cfg["resample_s"])
        )

    def _resample(self, index: np.ndarray) -> None:
        self.command[index] = self._draw(len(index))

    def _draw(self, count: int) -> np.ndarray:
        """Random commands, (count, 3)."""
        low, high = np.array(list(self.task.command_ranges.values())).T
        command = self._rng.uniform(low, high, (count, 3))
        kind = self._rng.random(count)
        command[kind < 0.15] = 0.0
        command[(kind >= 0.15) & (kind < 0.35), 1:] = 0.0  # straight ahead
        return command

    def _begin(self, index: np.ndarray) -> None:
        """First commands of robots that start anew."""
        self._resample(index)

    def _push(self) -> None:
        index = np.flatnonzero(self._rng.random(self.num_envs) < self.task.step_dt / self.cfg["push_every_s"])
        self.sim.qvel[index, :2] += self._rng.uniform(-1, 1, (len(index), 2)) * self.cfg["push_m_s"]

    def _randomise(self, index: np.ndarray) -> None:
        """New dynamics for robots that start anew."""
        self.sim.randomise(index, self._rng, self.cfg["randomise"])

    def _reset(self, index: np.ndarray) -> None:
        k, robot = len(index), self.robot
        self._randomise(index)
        qpos = np.zeros((k, 19))
        qpos[:, 2], qpos[:, 3] = robot.stand_height + 0.02, 1.0
        qpos[:, 7:] = robot.default_pose + self._rng.uniform(-0.15, 0.15, (k, 12))
        qvel = self._rng.uniform(-0.3, 0.3, (k, 18))
        self.sim.place(index, qpos, qvel)
        self.action[index] = self.last_action[index] = 0.0
        self.phase[index] = self._rng.integers(0, self.task.clock.cycle_steps, k)
        self.episode_length_buf[index] = 0
        for values in self._sums.values():
            values[index] = 0.0
        self._scorer.reset(index)
        self._begin(index)
