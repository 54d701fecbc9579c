"""Recovery: brings a tilting or fallen robot back to standing still.

Attempts follow each other until one succeeds (the supervisor sees that and hands over) or the
last one has failed. A learned attempt lets the recovery policy act; once the robot is upright and
calm but does not stand by itself, it is led to the stand pose by position. A scripted
attempt folds the legs and stands up, which helps a robot that lies on its belly. A robot on its
back is rolled over first, by key poses that a search in simulation has found.
"""

from typing import Protocol

import numpy as np

from ros2_rl.robots import NS_PER_S, JointCommand, RobotDescription, RobotState
from ros2_rl.safety.config import SafetyConfig
from ros2_rl.safety.poses import PoseScript, roll_over, stand_up
from ros2_rl.safety.senses import Sample


class RecoveryPolicy(Protocol):
    """Something that proposes position targets from proprioception."""

    step_ns: int

    def reset(self) -> None: ...

    def targets(self, state: RobotState) -> np.ndarray:
        """Position targets, shape (J,), rad; called once a control step."""
        ...


class RecoveryController:
    """Runs the attempts of one recovery; explicit time by the states' stamps."""

    def __init__(self, robot: RobotDescription, config: SafetyConfig, policy: RecoveryPolicy | None):
        self._robot, self._config, self._policy = robot, config, policy
        self._attempts = tuple(
            kind if policy is not None else "scripted" for kind in config.recovery.attempts
        )
        tilt = config.guards.tilt
        self._tipped = np.inf if tilt is None else np.radians(tilt.limit_deg)
        self._zero = np.zeros(robot.num_joints)
        self._targets = robot.stand_pose
        self._attempt, self._begun_ns, self._step = 0, 0, -1
        self._script: PoseScript | None = None
        self._upside_down = np.radians(config.recovery.roll_deg)
        self._roll: PoseScript | None = None
        self._rolled_ns = 0

    @property
    def attempts(self) -> int:
        return len(self._attempts)

    @property
    def failed(self) -> bool:
        """All attempts have been made in vain."""
        return self._attempt >= len(self._attempts)

    def start(self, state: RobotState) -> None:
        """Begin the first attempt."""
        self._attempt, self._roll, self._rolled_ns = 0, None, 0
        self._begin(state)

    def command(self, sample: Sample, calm_s: float) -> JointCommand:
        """Command for a state; asked twice for one stamp it says the same.

        Args:
            sample: the state and the tilt that goes with it.
            calm_s: for how long the base has been upright and slow, s.
        """
        self._next_attempt(sample.state)
        if self._rolls(sample):
            assert self._roll is not None
            return self._roll.at(sample.state.stamp_ns)
        if not self.failed and self._attempts[self._attempt] == "learned":
            self._settle(sample, calm_s)
        if self._script is not None:
            return self._script.at(sample.state.stamp_ns)
        return self._learned(sample.state)

    def _rolls(self, sample: Sample) -> bool:
        """Whether a robot on its back is being rolled over; afterwards the attempt begins anew."""
        state = sample.state
        if self._roll is not None and self._roll.done(state.stamp_ns):
            self._roll, self._rolled_ns = None, state.stamp_ns
            if not self.failed:
                self._restart(state)
        waited = state.stamp_ns - self._rolled_ns >= self._config.recovery.roll_pause_s * NS_PER_S
        if self._roll is None and sample.tilt > self._upside_down and (waited or not self._rolled_ns):
            self._roll = roll_over(self._robot, state) if self._robot.roll_over else None
        return self._roll is not None

    def _begin(self, state: RobotState) -> None:
        self._begun_ns = state.stamp_ns
        self._restart(state)

    def _restart(self, state: RobotState) -> None:
        """Start the present kind of attempt from this state on."""
        self._step, self._script = -1, None
        if self._attempts[self._attempt] == "scripted":
            self._script = stand_up(self._robot, self._config.stand, state)
        elif self._policy is not None:
            self._policy.reset()

    def _next_attempt(self, state: RobotState) -> None:
        if self.failed:
            return
        config = self._config.recovery
        learned = self._attempts[self._attempt] == "learned"
        limit = config.learned_s if learned else config.scripted_s
        if state.stamp_ns - self._begun_ns > limit * NS_PER_S:
            self._attempt += 1
            if not self.failed:
                self._begin(state)

    def _settle(self, sample: Sample, calm_s: float) -> None:
        """Stand up by position once the policy has got the robot upright; give back if it tips."""
        if self._script is None and calm_s > self._config.recovery.settle_s:
            self._script = stand_up(self._robot, self._config.stand, sample.state)
        elif self._script is not None and sample.tilt > self._tipped and self._policy is not None:
            self._script, self._step = None, -1
            self._policy.reset()

    def _learned(self, state: RobotState) -> JointCommand:
        if self._policy is not None:
            step = state.stamp_ns // self._policy.step_ns
            if step != self._step:
                self._step = step
                self._targets = self._policy.targets(state)
        return JointCommand(state.stamp_ns, self._targets, self._zero, self._zero, "recovery")
