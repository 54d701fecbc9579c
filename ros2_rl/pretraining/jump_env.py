"""The batched environment in which the jump is pre-trained: a new command with every cycle."""

import numpy as np

from ros2_rl.pretraining.velocity_env import VelocityEnv


class JumpEnv(VelocityEnv):
    """Robots that jump onto marks and stand in between."""

    @property
    def command_scale(self) -> float:
        """The policy sees where the mark is: m and rad."""
        return self.task.gait_period

    def _new_commands(self) -> None:
        self._resample(np.flatnonzero(self.phase % self.task.clock.cycle_steps == 0))

    def _shaping(self) -> np.ndarray:
        return np.zeros(self.num_envs)

    def _draw(self, count: int) -> np.ndarray:
        low, high = np.array(list(self.task.command_ranges.values())).T
        command = self._rng.uniform(low, high, (count, 3))
        kind = self._rng.random(count)
        command[kind < 0.1] = 0.0
        command[(kind >= 0.1) & (kind < 0.4), 1:] = 0.0  # straight ahead
        return command

    def _begin(self, index: np.ndarray) -> None:
        """Within a cycle the robot stands until the next one."""
        self.command[index] = 0.0
        at_start = index[self.phase[index] % self.task.clock.cycle_steps == 0]
        self._resample(at_start)
