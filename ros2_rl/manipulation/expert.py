"""How a person who knows a task would move the tool: scripted, from what can be seen and felt.

An expert answers an observation with a displacement of the tool for the next action, (3,), m, which the
caller bounds. It knows where things are measured to be, not where they are.
"""

import math
from typing import Protocol

import numpy as np

from ros2_rl.manipulation.observation import Observation
from ros2_rl.manipulation.task import ArmTask

_PEG_RADIUS, _PUCK_RADIUS = 0.01, 0.03
_YIELD = 0.0001
"""Sideways where a wall pushes to, so that the peg does not jam, m/N."""


class Expert(Protocol):
    """Somebody who can do a task."""

    def reset(self) -> None:
        """A new episode begins."""
        ...

    def move(self, seen: Observation) -> np.ndarray:
        """Displacement of the tool, (3,), m."""
        ...

    def left(self, seen: Observation) -> float:
        """How much is left to do, m; falls as the task is done."""
        ...


_CAUGHT_UP_M, _SHARE = 0.003, 0.5


def towards(seen: Observation, place: np.ndarray) -> np.ndarray:
    """The displacement that leads the tool to a place, (3,), m.

    First the reference goes there, and nothing more while the arm catches up; what is then still
    missing, for want of stiffness, is made up for bit by bit.
    """
    missing = place - seen.tool
    return np.where(np.abs(seen.lead) < _CAUGHT_UP_M, _SHARE * missing, missing - seen.lead)


class ReachExpert:
    """Straight to the goal."""

    def reset(self) -> None:
        pass

    def move(self, seen: Observation) -> np.ndarray:
        return towards(seen, seen.goal)

    def left(self, seen: Observation) -> float:
        return float(np.linalg.norm(seen.goal - seen.tool))


class PegExpert:
    """Above the hole, down, and where the peg stands on the rim in growing circles until it drops.

    The camera is a little wrong, so the hole need not be where it is seen.
    """

    _ABOVE_M, _LINED_UP_M, _RIM_M, _INSIDE_M, _DEEP_M = 0.012, 0.0015, 0.003, -0.003, -0.036
    _STUCK_N, _PRESS_M = 4.0, 0.006
    """A push from below that means the rim, and how far the reference then is below the tool."""
    _TURN, _WIDEN_M, _WIDEST_M = 0.8, 0.0008, 0.004
    """Of the circles: angle of a step, rad; growth of the radius in a turn, and its end, m."""

    def reset(self) -> None:
        self._searched = 0

    def __init__(self) -> None:
        self.reset()

    def move(self, seen: Observation) -> np.ndarray:
        height = seen.tool[2] - seen.goal[2]
        if height < self._INSIDE_M:
            return np.array((*(_YIELD * seen.force[:2]), self._DEEP_M - height))
        on_rim = height < self._RIM_M and seen.force[2] > self._STUCK_N
        if on_rim or (self._searched and height < 2 * self._RIM_M):
            self._searched += 1
            return self._circle(seen)
        off = float(np.hypot(*(seen.goal - seen.tool)[:2]))
        if off > self._LINED_UP_M:
            above = max(self._ABOVE_M, height) if off > 0.02 else self._ABOVE_M
            return towards(seen, np.array((*seen.goal[:2], seen.goal[2] + above)))
        aligned = towards(seen, seen.goal)[:2]
        return np.array((*aligned, -0.01 if height > 2 * self._RIM_M else -0.005))

    def left(self, seen: Observation) -> float:
        down = max(0.0, seen.tool[2] - seen.goal[2] + 0.03)
        return float(np.hypot(*(seen.goal - seen.tool)[:2])) + down

    def _circle(self, seen: Observation) -> np.ndarray:
        """To the next place on an Archimedean spiral about where the hole is seen, pressed down a little."""
        angle = self._TURN * self._searched
        radius = self._WIDEN_M * angle / (2 * math.pi)
        if radius > self._WIDEST_M:
            self._searched = 1
        place = seen.goal[:2] + radius * np.array((math.cos(angle), math.sin(angle)))
        press = 0.3 * (self._PRESS_M + seen.lead[2])
        # Pressing bends the arm sideways, so it is the tool that has to go round, not the reference.
        return np.array((*(_SHARE * (place - seen.tool[:2])), -press))


class PushExpert:
    """Behind the puck as seen from the mark, down, and along the line; anew when the line is lost."""

    _BEHIND_M, _HIGH_M, _LOW_M, _OFF_M = 0.015, 0.06, 0.015, 0.012

    def reset(self) -> None:
        self._pushing = False

    def __init__(self) -> None:
        self.reset()

    def move(self, seen: Observation) -> np.ndarray:
        assert seen.object is not None
        way = seen.goal[:2] - seen.object[:2]
        left = float(np.linalg.norm(way))
        ahead = way / max(left, 1e-6)
        contact = _PUCK_RADIUS + _PEG_RADIUS
        from_tool = seen.object[:2] - seen.tool[:2]
        along, off = float(from_tool @ ahead), float(ahead[0] * from_tool[1] - ahead[1] * from_tool[0])
        lined = along > 0.8 * contact and abs(off) < self._OFF_M
        if left < 0.004:
            self._pushing = False
            return np.array((*(-0.01 * ahead), 0.015))
        if lined and (self._pushing or seen.tool[2] < self._LOW_M + 0.008):
            self._pushing = True
            sideways = off * np.array((-ahead[1], ahead[0]))
            gap = max(0.0, along - contact)
            forward = min(gap + min(0.8 * left, 0.01), 0.012)
            return np.array((*(forward * ahead + 1.5 * sideways), self._LOW_M - seen.tool[2]))
        self._pushing = False
        behind = seen.object[:2] - (contact + self._BEHIND_M) * ahead - seen.tool[:2]
        there = float(np.linalg.norm(behind)) < 0.006
        if not there and seen.tool[2] < self._HIGH_M - 0.015:
            return np.array((0.0, 0.0, 0.015))
        return np.array((*behind, (self._LOW_M if there else self._HIGH_M) - seen.tool[2]))

    def left(self, seen: Observation) -> float:
        assert seen.object is not None
        return float(np.linalg.norm(seen.goal[:2] - seen.object[:2])) + 0.2 * float(
            np.linalg.norm(seen.object[:2] - seen.tool[:2])
        )


def expert_for(task: ArmTask) -> Expert:
    """Who can do a task."""
    experts: dict[str, type[Expert]] = {"nothing": ReachExpert, "puck": PushExpert, "hole": PegExpert}
    return experts[task.scene]()
