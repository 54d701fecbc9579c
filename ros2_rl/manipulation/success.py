"""Whether a task of an arm is done, by poses alone."""

import numpy as np

from ros2_rl.manipulation.observation import Observation
from ros2_rl.manipulation.task import ArmTask
from ros2_rl.robots import NS_PER_S


class SuccessCheck:
    """Looks at every control step; success lasts once it has been there for the task's ``hold``."""

    def __init__(self, task: ArmTask):
        self._rule = task.success
        self.reset()

    def reset(self) -> None:
        """A new episode begins."""
        self._since_ns: int | None = None
        self.done = False

    def update(self, seen: Observation) -> bool:
        """Whether the task is done."""
        there = self.there(seen)
        if not there:
            self._since_ns = None
        elif self._since_ns is None or self._since_ns > seen.stamp_ns:
            self._since_ns = seen.stamp_ns
        if self._since_ns is not None:
            self.done = self.done or seen.stamp_ns - self._since_ns >= self._rule.hold * NS_PER_S
        return self.done

    def there(self, seen: Observation) -> bool:
        """Whether what is to be at the goal is there at this moment."""
        place = seen.tool if self._rule.of == "tool" else seen.object
        if place is None:
            return False
        away, (low, high) = place - seen.goal, self._rule.height
        return bool(np.hypot(away[0], away[1]) < self._rule.within and low <= away[2] <= high)
