"""The learned recovery policy: an ONNX network that sees proprioception only."""

from pathlib import Path

import numpy as np

from ros2_rl.errors import ContractError
from ros2_rl.policy.action import ActionMap
from ros2_rl.policy.observation import ObservationBuilder
from ros2_rl.policy.onnx_policy import OnnxPolicy
from ros2_rl.robots import NS_PER_S, RobotDescription, RobotState

PROPRIOCEPTION = frozenset({"base_ang_vel", "projected_gravity", "joint_pos", "joint_vel", "actions"})


class LearnedRecovery:
    """Carries out a recovery policy; implements ``RecoveryPolicy``.

    Raises:
        ContractError: the policy does not fit the robot, or wants to see what nobody can tell it
            while the robot lies on its back (a command, a velocity estimate, a clock).
    """

    def __init__(self, policy: OnnxPolicy, robot: RobotDescription):
        policy.check(robot, gains="recovery")
        foreign = sorted(set(policy.contract.observation_names) - PROPRIOCEPTION)
        if foreign:
            raise ContractError(
                f"The recovery policy {policy.name} wants to see {', '.join(foreign)}; "
                f"it may see {', '.join(sorted(PROPRIOCEPTION))} only."
            )
        self.step_ns = round(policy.contract.step_dt * NS_PER_S)
        self._policy = policy
        self._observation = ObservationBuilder(policy.contract, robot)
        self._actions = ActionMap(policy.contract, robot)
        self._action = np.zeros(robot.num_joints)
        self._command, self._clock = np.zeros(3), np.zeros(2)

    def reset(self) -> None:
        """Forget the last action and the history."""
        self._observation.reset()
        self._action = np.zeros_like(self._action)

    def targets(self, state: RobotState) -> np.ndarray:
        """Position targets (J,), rad, robot order, for one control step."""
        obs = self._observation.build(state, None, self._command, self._action, self._clock)
        self._action = self._actions.clip(self._policy(obs).astype(float))
        return self._actions.targets(self._action, state.q)


def load_recovery(path: Path, robot: RobotDescription) -> LearnedRecovery | None:
    """The recovery policy in a file; None where there is none, so that scripts must do.

    Raises:
        ContractError: the file is no recovery policy of this robot.
    """
    return LearnedRecovery(OnnxPolicy(path), robot) if path.is_file() else None
