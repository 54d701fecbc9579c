"""The replica of one robot: fitted to its first steps, then practised in, update by update."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ros2_rl.errors import ConfigError
from ros2_rl.learning.choice import is_own_kind
from ros2_rl.learning.replica.identify import Identifier, Measured
from ros2_rl.learning.replica.practice import Practice, ReplicaEnv, pretraining_settings
from ros2_rl.learning.sac.config import OffPolicyConfig
from ros2_rl.learning.sac.networks import LoraActor
from ros2_rl.learning.sac.replay import LABELS, Batch
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.robots import RobotDescription
from ros2_rl.tasks import Task

_POLICY = LABELS.index("policy")


class Replica:
    """Changes an actor's adapters in place."""

    def __init__(
        self,
        robot: RobotDescription,
        task: Task,
        policy: OnnxPolicy,
        critic: Path | None,
        cfg: OffPolicyConfig,
    ):
        """Nothing is built before the first practice.

        Raises:
            ConfigError: there is no critic, or the policy sees or acts otherwise than in pre-training.
        """
        if critic is None:
            raise ConfigError(
                "A replica needs the policy's critic, and there is none; set replica_updates to 0."
            )
        check_simulated(task, policy)
        self._robot, self._task, self._critic, self._cfg = robot, task, critic, cfg
        self._env = pretraining_settings(task)["env"] | {"threads": 1}
        self._search: Iterator[tuple[np.ndarray, float]] | None = None
        self._names: tuple[str, ...] = ()
        self._newest = np.zeros(0), 0.0
        self._practice: Practice | None = None
        self.fitted: dict[str, float] = {}
        """The dynamics that explain the robot best, by name; empty before the fit."""
        self.error = 0.0
        """How badly they do: 1 would be an error of ``identify._SCALES`` everywhere."""
        self.updates = 0
        """Of PPO, so far."""
        self.reward = 0.0
        """Mean of a control step there, of late."""

    @property
    def wanted(self) -> bool:
        """Whether it is still of use: practised in too little, and not too unlike the robot."""
        return self.updates < self._cfg.replica_updates and self.error <= self._cfg.replica_error_limit

    def give_up(self) -> None:
        """Nothing good comes of it."""
        self.error = np.inf

    @property
    def looking(self) -> bool:
        """Whether a search for its dynamics is under way."""
        return self._search is not None

    def fit(
        self, rows: Callable[[], Batch], reach: np.ndarray, steps: int, breathe: Callable[[], None]
    ) -> str:
        """Go on looking for the robot's dynamics in what a replay had kept when it began.

        ``reach`` (J,) is the raw action that a change of 1 means. Of ``steps`` each takes as long as one of
        :meth:`practise`. What was found at last, as a sentence; where that explains too little, nobody wants
        the replica any more, and where there is nothing to be found yet it begins anew next time.
        """
        if self._search is None:
            finder = Identifier(self._robot, self._env["physics_dt"], self._cfg.seed)
            self._names = finder.dynamics.names
            try:
                self._search = finder.fit(self._measured(rows(), reach))
            except ValueError:
                return ""
        for _ in range(steps):
            breathe()
            if (found := next(self._search, None)) is None:
                return self._settle()
            self._newest = found
        return ""

    def _settle(self) -> str:
        values, self.error = self._newest
        self._search = None
        self.fitted = dict(zip(self._names, values.tolist(), strict=True))
        found = ", ".join(f"{name} {value:.2f}" for name, value in self.fitted.items())
        if not self.wanted:
            return f"No replica: even {found} explains the robot badly (error {self.error:.2f})."
        return f"The replica: {found}; error {self.error:.2f}."

    def _measured(self, rows: Batch, reach: np.ndarray) -> Measured:
        seen, label = rows["critic_obs"].numpy(), rows["label"].numpy()
        goes_on = (rows["next_critic_obs"].numpy()[:-1] == seen[1:]).all(axis=1) & (label[:-1] == _POLICY)
        actions = rows["base"].numpy() + reach * rows["change"].numpy()
        return Measured.of(self._robot, seen, actions, np.append(goes_on, False))

    def practise(self, actor: LoraActor, steps: int, breathe: Callable[[], None]) -> bool:
        """So many control steps in the fitted replica; whether these changed ``actor``, always the same.

        Fewer where the last update that is wanted is made before.
        """
        if self._practice is None:
            fitted, cfg = np.array(list(self.fitted.values())), self._cfg
            env = ReplicaEnv(self._robot, self._task, self._env, cfg.replica_robots, cfg.seed, fitted)
            self._practice = Practice(env, actor, self._critic, cfg.replica_std, cfg.replica_smooth_coef)
        before = self.updates
        for _ in range(steps):
            if self.wanted:
                self.updates += self._practice.walk(breathe)
        self.reward = self._practice.reward
        return self.updates > before

    def state(self) -> dict[str, Any]:
        """For a checkpoint; what PPO itself remembers is made anew."""
        return {"fitted": self.fitted, "error": self.error, "updates": self.updates}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state`."""
        self.fitted, self.error, self.updates = dict(state["fitted"]), state["error"], state["updates"]


def check_simulated(task: Task, policy: OnnxPolicy) -> None:
    """Refuse a policy that pre-training's simulator cannot walk with.

    Raises:
        ConfigError: its observations, joints, gains or rates are other ones.
    """
    if task.name != "trot" or not is_own_kind(task, policy):
        raise ConfigError(
            "A replica knows only the observations, joints and rates of the stack's own trot; this policy "
            "has others; set replica_updates to 0, or use learner:=offpolicy_lora."
        )
