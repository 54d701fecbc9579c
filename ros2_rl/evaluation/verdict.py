"""Pass or fail: what a policy reached against what its base reached in the same exam."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ros2_rl.evaluation.exam import Limits


@dataclass(frozen=True)
class Check:
    """One condition of the exam."""

    what: str
    figure: str
    reached: float
    bound: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Where the base has nothing to compare with, there is nothing to fail."""
        if np.isnan(self.bound):
            return True
        return bool(self.reached >= self.bound if self.at_least else self.reached <= self.bound)


def checks(policy: Mapping[str, float], base: Mapping[str, float], limits: Limits) -> list[Check]:
    """The conditions; both arguments as :meth:`ros2_rl.evaluation.candidate.Result.figures`."""

    def check(what: str, figure: str, factor: float = 1.0, at_least: bool = False) -> Check:
        return Check(what, figure, policy[figure], factor * base[figure], at_least)

    return [
        check("trials lost on the grid", "grid/lost"),
        check("tracking error on the grid, m/s", "grid/error_v", limits.tracking),
        check("yaw rate error on the grid, rad/s", "grid/error_w", limits.tracking),
        check("energy per metre on the grid, J/m", "grid/energy_per_m", limits.energy),
        check("trials lost to shoves", "pushes/lost"),
        check("trials lost on other robots", "gaps/lost"),
        check("tracking error on other robots, m/s", "gaps/error_v", limits.gap_tracking),
        check("falls", "falls"),
        check("weakest shove that fells it, m/s", "adversary/weakest_m_s", limits.adversary, at_least=True),
    ]
