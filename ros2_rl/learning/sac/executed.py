"""What was executed, in the policy's own terms, whatever was proposed and whoever commanded it."""

from collections import OrderedDict

import numpy as np

from ros2_rl.policy.contract import Contract
from ros2_rl.policy.step import StepRecord
from ros2_rl.robots import JointCommand, RobotDescription

_KEPT = 500
"""Commands that are remembered: more than a record is held back, at any rate of states."""
_SAME = 1e-5
"""Raw action; nearer than this a command is what was proposed, but for rounding."""


class ExecutedActions:
    """Raw actions from the joint commands that the supervisor sent, by stamp."""

    def __init__(self, contract: Contract, robot: RobotDescription, gains: str):
        """``gains`` names the gain set in which the policy's actions mean what they mean."""
        self._index = contract.robot_index(robot)
        self._scale = np.asarray(contract.action_scale)
        self._offset = np.asarray(contract.action_offset or contract.default_joint_pos)
        self._relative = contract.action_type == "position_delta"
        self._own, self._robot = robot.gains[gains], robot
        self._commands: OrderedDict[int, JointCommand] = OrderedDict()

    def put(self, command: JointCommand) -> None:
        """The supervisor sent this."""
        self._commands[command.stamp_ns] = command
        while len(self._commands) > _KEPT:
            self._commands.popitem(last=False)

    def of(self, record: StepRecord) -> np.ndarray | None:
        """See :meth:`at`, for a record as it came."""
        return self.at(record.stamp_ns, record.q, record.dq, record.action)

    def at(self, stamp_ns: int, q: np.ndarray, dq: np.ndarray, proposed: np.ndarray) -> np.ndarray | None:
        """The raw action (J,), policy's order, that was executed at a stamp; None if that is not known.

        A command with other gains counts as the target that asks for the same torque under the policy's.

        Args:
            q, dq: measured positions and speeds, robot order, (J,).
            proposed: what the executor proposed, returned as it is where nobody altered it.
        """
        command = self._commands.get(stamp_ns)
        if command is None:
            return None
        origin = q[self._index] if self._relative else self._offset
        action = (self._target(command, q, dq)[self._index] - origin) / self._scale
        return np.where(np.abs(action - proposed) < _SAME, proposed, action).astype(np.float32)

    def _target(self, command: JointCommand, q: np.ndarray, dq: np.ndarray) -> np.ndarray:
        gains, own = self._robot.gains[command.gains], self._own
        if gains is own:
            return command.q
        torque = gains.kp * (command.q - q) + gains.kd * (command.dq - dq) + command.tau
        return q + (torque + own.kd * dq) / own.kp
