"""The box that a tool never leaves: the last word on where joint commands may lead it."""

from dataclasses import replace

import numpy as np

from ros2_rl.manipulation.kinematics import ToolKinematics
from ros2_rl.robots import JointCommand, RobotDescription
from ros2_rl.safety.rules import WorkspaceRule

_HALVINGS = 5
"""A step that leaves the box is cut to within 3 % of what would be allowed of it."""


_SLACK_M = 0.001
"""So far outside counts as inside: the joints' way back from the very edge bends outwards a little, m."""


class WorkspaceFence:
    """Cuts joint commands short before the tool would leave its box, or a joint come too low.

    What counts is where the drives are led to, q + (kd dq + tau) / kp, which at speed is ahead of q.
    """

    def __init__(self, robot: RobotDescription, rule: WorkspaceRule):
        self._kinematics, self._gains = ToolKinematics(robot), robot.gains
        self._low, self._high, self._clear = np.array(rule.low), np.array(rule.high), rule.clear_m

    def outside(self, q: np.ndarray) -> float:
        """How far the joint positions (J,), rad, are outside of what is allowed, m; 0 within."""
        kinematics = self._kinematics
        kinematics.update(q)
        beyond = np.maximum(self._low - kinematics.position, kinematics.position - self._high).max()
        return max(float(beyond), self._clear - kinematics.lowest, 0.0)

    def limit(self, command: JointCommand, q_before: np.ndarray) -> JointCommand:
        """The command, or as much of its step as stays inside, without anything that drives the joints on.

        Who is outside already, having been put there, may move as long as it does not lead farther out.

        Args:
            command: what is wanted; finite.
            q_before: position targets of the command before, (J,), rad.
        """
        allowed = max(self.outside(q_before), _SLACK_M)
        gains, zero = self._gains[command.gains], np.zeros(command.q.size)
        if not gains.kp.all():
            return replace(command, dq=zero, tau=zero)  # nothing leads anywhere
        led_to = command.q + (gains.kd * command.dq + command.tau) / gains.kp
        if max(self.outside(command.q), self.outside(led_to)) <= allowed:
            return command
        step = command.q - q_before
        share, part = (1.0, 0.0) if self.outside(command.q) <= allowed else (0.0, 0.5)
        for _ in range(_HALVINGS if part else 0):
            if self.outside(q_before + (share + part) * step) <= allowed:
                share += part
            part /= 2
        return replace(command, q=q_before + share * step, dq=zero, tau=zero)
