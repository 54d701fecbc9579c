"""Guards of the policy itself: wild targets, and an adapter that does harm."""

from collections import deque

import numpy as np

from ros2_rl.robots import NS_PER_S, RobotDescription
from ros2_rl.safety.guards.base import TickGuard
from ros2_rl.safety.rules import AdapterRule, JumpRule
from ros2_rl.safety.senses import Sample, Tick


class TargetJumpGuard(TickGuard):
    """Targets that jump to and fro from one control step to the next."""

    name = "target jump"

    def __init__(self, robot: RobotDescription, settings: JumpRule):
        super().__init__(settings)
        self._names, self._limit = robot.joints, settings.limit_rad
        self._last: np.ndarray | None = None
        self._jump = np.zeros(robot.num_joints)

    def reset(self) -> None:
        super().reset()
        self._last = None

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        target, last = tick.target_q, self._last
        self._last = target if sample.policy else None
        if target is None or last is None or not sample.policy:
            return False
        self._jump = np.abs(target - last)
        return bool((self._jump > self._limit).any())

    def cause(self, sample: Sample) -> str:
        worst = int(self._jump.argmax())
        return f"the policy's target of {self._names[worst]} jumps by {self._jump[worst]:.1f} rad"


class AdapterGuard(TickGuard):
    """Recovery had to take the robot too often while one and the same adapter acted.

    Released once another adapter acts; the base policy (version 0) is trusted.
    """

    name = "adapter"

    def __init__(self, settings: AdapterRule):
        super().__init__(settings)
        self._settings = settings
        self._window_ns = round(settings.window_s * NS_PER_S)
        self.distrusted = -1
        """Version of the adapter that must not act; -1 when there is none."""
        self.reset()

    def reset(self) -> None:
        super().reset()
        self._version, self._counts = -1, (0, 0)
        self._overrides: deque[int] = deque()
        self._falls: deque[int] = deque()

    def sees_tick(self, sample: Sample, tick: Tick) -> bool:
        now_ns, version = sample.state.stamp_ns, sample.senses.adapter
        if version != self._version:
            self._version, self._counts = version, (sample.overrides, sample.falls)
            self._overrides.clear()
            self._falls.clear()
        self._note(sample, now_ns)
        settings = self._settings
        harmful = len(self._overrides) >= settings.overrides or len(self._falls) >= settings.falls
        if harmful and version > 0:
            self.distrusted = version
        return version > 0 and version == self.distrusted

    def cause(self, sample: Sample) -> str:
        overrides, falls = len(self._overrides), len(self._falls)
        return (
            f"under adapter {self._version} recovery took over {overrides} times within "
            f"{self._settings.window_s:g} s, falls {falls}"
        )

    def _note(self, sample: Sample, now_ns: int) -> None:
        """Keep the stamps of what happened within the window."""
        before, self._counts = self._counts, (sample.overrides, sample.falls)
        self._overrides.extend([now_ns] * (self._counts[0] - before[0]))
        self._falls.extend([now_ns] * (self._counts[1] - before[1]))
        for stamps in (self._overrides, self._falls):
            while stamps and now_ns - stamps[0] > self._window_ns:
                stamps.popleft()
