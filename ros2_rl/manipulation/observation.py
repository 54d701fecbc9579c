"""What is known of an arm at work at one moment, as a person sees it and as a network sees it."""

from dataclasses import dataclass

import numpy as np

from ros2_rl.manipulation.contact import ContactObserver
from ros2_rl.manipulation.kinematics import ToolKinematics
from ros2_rl.manipulation.poses import ScenePoses
from ros2_rl.robots import RobotDescription, RobotState

WIDTH = 21
_PLACE_M, _NEAR_M, _LEAD_M, _SPEED, _FORCE_N = 0.1, 0.005, 0.01, 0.1, 20.0
"""Sizes of the numbers that a network sees as 1."""
_NEAREST = 2.0
"""Farther away, in units of the near place, a millimetre no longer matters."""


@dataclass(frozen=True, slots=True)
class Observation:
    """All in the frame of the arm's base."""

    stamp_ns: int
    tool: np.ndarray
    """(3,), m, by the joints' readings."""
    speed: np.ndarray
    """Of the tool, (3,), m/s."""
    force: np.ndarray
    """Felt on the tool, (3,), N."""
    lead: np.ndarray
    """How far the reference is ahead of the tool, (3,), m."""
    goal: np.ndarray
    """As measured, (3,), m."""
    object: np.ndarray | None
    """As measured, (3,), m; None where the task has none."""

    def vector(self) -> np.ndarray:
        """What a network sees, (21,), float32; the same for every place on the table.

        The way to the goal comes twice, the second time as with a magnifying glass: a peg is a matter of
        tenths of a millimetre, the way there of tenths of a metre.
        """
        thing = np.zeros(3) if self.object is None else self.object - self.tool
        way = np.zeros(3) if self.object is None else self.object - self.goal
        away = self.tool - self.goal
        parts = (
            away / _PLACE_M, np.clip(away / _NEAR_M, -_NEAREST, _NEAREST), thing / _PLACE_M, way / _PLACE_M,
            self.lead / _LEAD_M, self.speed / _SPEED, self.force / _FORCE_N,
        )  # fmt: skip
        return np.clip(np.concatenate(parts), -10.0, 10.0).astype(np.float32)


class Observer:
    """Makes observations; takes every control step's state in turn."""

    def __init__(self, robot: RobotDescription):
        self._kinematics, self._touch = ToolKinematics(robot), ContactObserver(robot)

    def observe(self, state: RobotState, scene: ScenePoses, reference: np.ndarray) -> Observation:
        """The observation of a state; ``reference``: where the tool is to be, (3,), m."""
        self._touch.update(state)
        self._kinematics.update(state.q)
        tool = self._kinematics.position
        speed = self._kinematics.jacobian()[:3] @ state.dq
        return Observation(
            state.stamp_ns, tool, speed, self._touch.force, reference - tool, scene.goal, scene.object
        )
