"""From actions to joint targets: each action moves the tool by a bounded step, within a box.

An action is a displacement of the tool in shares of the task's ``reach``. It moves a reference that the arm
follows with the stiffness of its joints; the reference never runs ahead of the tool by more than a leash,
so that whoever pushes against something pushes no harder for pushing longer.
"""

import numpy as np

from ros2_rl.manipulation.ik import DampedIk
from ros2_rl.manipulation.task import ArmTask
from ros2_rl.robots import JointCommand, RobotDescription, RobotState

LEASH_M = 0.015
"""Farthest that the reference is ahead of the tool, each axis, m; the arm pushes with some 20 N then."""
_MARGIN_M = 0.008
"""The reference stays so far inside the supervisor's box."""
GAINS = "policy"


class ToolControl:
    """Carries out actions for one arm; :meth:`act` once an action, :meth:`tick` once a control step.

    Args:
        robot: the arm.
        task: says how far and along which axes an action moves the tool.
        low, high: the supervisor's box for the tool, (3,), m.
        dt: control step, s.
    """

    def __init__(self, robot: RobotDescription, task: ArmTask, low: np.ndarray, high: np.ndarray, dt: float):
        self._ik, self._measured = DampedIk(robot), DampedIk(robot).kinematics
        self._axes, self._reach = task.axes, task.reach
        self._low, self._high = np.asarray(low) + _MARGIN_M, np.asarray(high) - _MARGIN_M
        self._dt, self._ticks = dt, max(round(task.step_dt / dt), 1)
        self._zero = np.zeros(robot.num_joints)
        self._ik.kinematics.update(robot.default_pose)
        self._upright = self._ik.kinematics.rotation
        self.begin(robot.default_pose)

    @property
    def num_actions(self) -> int:
        return len(self._axes)

    def begin(self, q: np.ndarray) -> None:
        """Take the arm over where its joints are, (J,), rad."""
        self._q = np.array(q, dtype=float)
        self._ik.kinematics.update(q)
        self.reference = self._ik.kinematics.position
        """Where the tool is to be now, (3,), m."""
        self._step = np.zeros(3)
        self._left = 0

    def act(self, action: np.ndarray, state: RobotState) -> np.ndarray:
        """Begin an action, (A,), each -1 to 1, what is beyond counts as the bound.

        One that is not finite makes targets that are not, which the supervisor refuses, until :meth:`begin`.

        Returns:
            As much of the action as the box and the leash allow, (A,): what is executed.
        """
        move = np.zeros(3)
        move[self._axes] = self._reach * np.clip(action, -1.0, 1.0)
        self._head_for(self.reference + move, state)
        return self._ticks * self._step[self._axes] / self._reach

    def go(self, place: np.ndarray, most: float, state: RobotState) -> None:
        """As an action, towards a place (3,), m, by at most ``most`` m."""
        way = place - self.reference
        self._head_for(self.reference + way * min(1.0, most / max(float(np.linalg.norm(way)), 1e-9)), state)

    def tool(self, state: RobotState) -> np.ndarray:
        """Where the tool is by the joints' readings, (3,), m."""
        self._measured.update(state.q)
        return self._measured.position

    def tick(self, state: RobotState) -> JointCommand:
        """The joint targets of a control step."""
        if self._left:
            self.reference = self.reference + self._step
            self._left -= 1
        if not np.isfinite(self.reference).all():
            return JointCommand(state.stamp_ns, np.full_like(self._q, np.nan), self._zero, self._zero, GAINS)
        q = self._ik.step(self._q, self.reference, self._upright, self._dt)
        speed, self._q = (q - self._q) / self._dt, q
        return JointCommand(state.stamp_ns, q, speed, self._zero, GAINS)

    def _head_for(self, place: np.ndarray, state: RobotState) -> None:
        tool = self.tool(state)
        place = np.clip(np.clip(place, tool - LEASH_M, tool + LEASH_M), self._low, self._high)
        self._step, self._left = (place - self.reference) / self._ticks, self._ticks
