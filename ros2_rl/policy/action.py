"""Actions: what a policy's raw outputs mean as joint targets."""

import numpy as np

from ros2_rl.policy.contract import Contract
from ros2_rl.robots import RobotDescription


class ActionMap:
    """From raw actions in the policy's order to joint targets in robot order."""

    def __init__(self, contract: Contract, robot: RobotDescription):
        index = contract.robot_index(robot)
        self._order = np.argsort(index)
        self._scale = np.asarray(contract.action_scale)[self._order]
        self._offset = np.asarray(contract.action_offset or contract.default_joint_pos)[self._order]
        unbounded = (np.inf,) * contract.num_joints
        self._upper = np.asarray(contract.target_upper or unbounded)[self._order]
        self._lower = np.asarray(contract.target_lower or np.negative(unbounded))[self._order]
        self._delta = contract.action_type == "position_delta"
        self._limit = contract.action_clip

    def clip(self, action: np.ndarray) -> np.ndarray:
        """The raw action within the contract's clip, (J,); what the next observation shows."""
        return np.clip(action, -self._limit, self._limit)

    def targets(self, action: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Joint position targets (J,), rad, robot order.

        ``action`` (J,) is clipped and in the policy's order, ``q`` (J,) the measured positions.
        """
        origin = q if self._delta else self._offset
        return np.clip(origin + self._scale * action[self._order], self._lower, self._upper)
