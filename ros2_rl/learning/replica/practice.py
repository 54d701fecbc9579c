"""PPO in many replicas of one robot, on the adapters of the policy that the robot walks with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from rsl_rl.algorithms import PPO
from rsl_rl.storage import RolloutStorage

from ros2_rl.learning.networks import load_critic
from ros2_rl.learning.replica.dynamics import Dynamics
from ros2_rl.learning.rsl_rl_models import as_model
from ros2_rl.learning.sac.networks import LoraActor
from ros2_rl.paths import share_path
from ros2_rl.pretraining.velocity_env import VelocityEnv
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks import Task

STEPS = 48
"""Control steps of each robot in an update. Few robots and many steps, not the other way round: a step of 64
robots fits into a pause of the real one's control loop."""
_SETTINGS = {"gamma": 0.97}
"""Where practice differs from pre-training: a shorter horizon, for what is left to learn is soon seen."""
_SPREAD = 0.1
"""How much replicas differ from what was fitted, in standard deviations of what was thought before."""


def pretraining_settings(task: Task) -> dict:
    """How the base policy of a task was trained: ``config/pretraining/<task>.yaml``."""
    return yaml.safe_load(share_path("config", "pretraining", f"{task.name}.yaml").read_text())


class ReplicaEnv(VelocityEnv):
    """Robots with the fitted dynamics, and nearly these, where pre-training had all sorts."""

    def __init__(
        self, robot: RobotDescription, task: Task, cfg: dict, robots: int, seed: int, fitted: np.ndarray
    ):
        self.fitted = fitted
        self._dynamics: Dynamics | None = None
        super().__init__(robot, task, cfg, robots, seed)

    def _randomise(self, index: np.ndarray) -> None:
        if self._dynamics is None:
            self._dynamics = Dynamics(self.robot, self.sim)
        dynamics = self._dynamics
        friction = self.cfg["randomise"]["friction"]
        for i in index:
            drawn = self._rng.normal(self.fitted, _SPREAD * dynamics.spread)
            dynamics.give(np.array([i]), np.clip(drawn, dynamics.low, dynamics.high), self._rng)
            self.sim.models[i].geom_friction[:, 0] = self._rng.uniform(*friction)


class Practice:
    """Changes an actor's adapters in place."""

    def __init__(self, env: ReplicaEnv, actor: LoraActor, critic: Path, std: float, smooth_coef: float = 0.0):
        """``std`` of the noise, raw action; ``critic`` is that of the pre-training and is learned on here.

        ``smooth_coef`` is what a change of the action of 1 from one control step to the next costs, return/s,
        noise left out.
        """
        self._env, self._walked, self._sum, self._smooth_coef = env, 0, 0.0, smooth_coef
        self._before, self._goes_on = torch.zeros(env.num_envs, env.num_actions), torch.zeros(env.num_envs)
        self._obs = env.get_observations()
        noise = {"class_name": "GaussianDistribution", "init_std": std, "std_type": "log"}
        models = (
            as_model("actor", actor.mlp, env.num_actions, self._obs, noise),
            as_model("critic", load_critic(critic), 1, self._obs),
        )
        storage = RolloutStorage("rl", env.num_envs, STEPS, self._obs, [env.num_actions])
        settings = pretraining_settings(env.task)["runner"]["algorithm"] | _SETTINGS
        self._ppo = PPO(*models, storage, schedule="adaptive", **settings)
        self._breathe: Callable[[], None] = _nobody_waits
        self._ppo.optimizer.register_step_pre_hook(lambda *_: self._breathe())
        for model in models:
            model.mlp.register_forward_pre_hook(lambda *_: self._breathe())
            model.mlp.register_forward_hook(self._breathe_on_the_way_back)
        self.reward = 0.0
        """Mean of a control step before the newest update."""

    def walk(self, breathe: Callable[[], None]) -> bool:
        """One control step of all robots; True when it was the last before an update, which is then made."""
        breathe()
        with torch.inference_mode():
            self._obs, rewards, dones, extras = self._env.step(self._ppo.act(self._obs))
            rewards = rewards - self._smooth_coef * self._env.task.step_dt * self._change(dones)
            self._ppo.process_env_step(self._obs, rewards, dones, extras)
        self._walked += 1
        self._sum += float(rewards.mean())
        if self._walked < STEPS:
            return False
        breathe()
        with torch.inference_mode():
            self._ppo.compute_returns(self._obs)
        self._breathe = breathe
        self._ppo.update()
        self._breathe = _nobody_waits
        self.reward, self._walked, self._sum = self._sum / STEPS, 0, 0.0
        return True

    def _change(self, dones: torch.Tensor) -> torch.Tensor:
        """Squared, since the control step before, of what would have been done without noise, (N,).

        Nothing for a robot that began anew in between.
        """
        before, goes_on = self._before, self._goes_on
        self._before, self._goes_on = self._ppo.actor.output_mean.clone(), 1.0 - dones.float()
        return goes_on * (self._before - before).square().sum(dim=1)

    def _breathe_on_the_way_back(self, model: torch.nn.Module, seen: tuple, answer: torch.Tensor) -> None:
        """Before the gradients of a network are computed, too: a gradient step has five short parts, then."""
        if answer.requires_grad:
            answer.register_hook(lambda _: self._breathe())


def _nobody_waits() -> None:
    """No update is under way."""
