"""The box that a tool never leaves: the last word on where joint commands may lead it."""

from dataclasses import replace

import numpy as np

from ros2_rl.manipulation.kinematics import ToolKinematics
from ros2_rl.robots import JointCommand, RobotDescription
from ros2_rl.safety.rules import WorkspaceRule

_HALVINGS = 5
"""A step that leaves the box is cut to within 3 % of what would be allowed of it."""


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

    def limit(self, command: JointCommand, q_before: np.ndarray, wanted: np.ndarray) -> JointCommand:
        """The command, or as much of its step as stays inside, without anything that drives the joints on.

        Who is outside already, having been put there, may move as long as it does not lead farther out.
        Bounds that hold joint by joint bend a step away from where it was to lead, so that at the edge even
        the way back inside may lead out; then as much is taken of the straight way as those bounds allow.

        Args:
            command: what the joints' own bounds leave of what is wanted; finite.
            q_before: position targets of the command before, (J,), rad.
            wanted: position targets before those bounds, (J,), rad; need not be finite.
        """
        allowed = self.outside(q_before)
        gains, zero = self._gains[command.gains], np.zeros(command.q.size)
        if not gains.kp.all():
            return replace(command, dq=zero, tau=zero)  # nothing leads anywhere
        led_to = command.q + (gains.kd * command.dq + command.tau) / gains.kp
        if max(self.outside(command.q), self.outside(led_to)) <= allowed:
            return command
        for step in (command.q - q_before, straight(command.q, q_before, wanted)):
            share = self._share(q_before, step, allowed)
            if share:
                break
        return replace(command, q=q_before + share * step, dq=zero, tau=zero)

    def _share(self, before: np.ndarray, step: np.ndarray, allowed: float) -> float:
        """How much of a step stays inside, 0 to 1."""
        if self.outside(before + step) <= allowed:
            return 1.0
        share, part = 0.0, 0.5
        for _ in range(_HALVINGS):
            if self.outside(before + (share + part) * step) <= allowed:
                share += part
            part /= 2
        return share


def straight(bounded: np.ndarray, before: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The longest step from ``before`` towards ``wanted`` with no joint beyond ``bounded``, (J,), rad.

    Zero where a joint would have to go the other way, and where what is wanted is no number.
    """
    way = wanted - before
    if not np.isfinite(way).all():
        return np.zeros(way.size)
    moves = np.abs(way) > 1e-12
    shares = (bounded - before)[moves] / way[moves]
    return way * float(np.clip(shares.min(initial=1.0), 0.0, 1.0))
