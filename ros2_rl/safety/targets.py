"""What the policy proposes: the newest usable target and its age."""

import math

from ros2_rl.robots import NS_PER_S, JointCommand, RobotDescription


class TargetInbox:
    """Keeps the newest target that can be used.

    Args:
        robot: the robot whose joints and gain sets a target must name.
        limit_ns: oldest target that may act, and the farthest that one may be ahead.
    """

    def __init__(self, robot: RobotDescription, limit_ns: int):
        self._size, self._gains, self._limit_ns = robot.num_joints, robot.gains, limit_ns
        self.clear()

    def clear(self) -> None:
        self.latest: JointCommand | None = None
        self.stamp_ns = -1
        """Stamp of the newest target, -1 when there is none."""

    def offer(self, target: JointCommand, now_ns: int) -> str:
        """Take a target; returns why it cannot be used, empty when it can or is merely old."""
        fault = self._fault(target, now_ns)
        if not fault and target.stamp_ns > self.stamp_ns:
            self.latest, self.stamp_ns = target, target.stamp_ns
        return fault

    def age_s(self, now_ns: int) -> float:
        """Age of the newest target at a stamp, s; infinite when there is none."""
        return math.inf if self.latest is None else (now_ns - self.stamp_ns) / NS_PER_S

    def fresh(self, now_ns: int) -> bool:
        return self.latest is not None and now_ns - self.stamp_ns <= self._limit_ns

    def _fault(self, target: JointCommand, now_ns: int) -> str:
        parts = (target.q, target.dq, target.tau)
        if any(part.shape != (self._size,) for part in parts):
            return f"the policy's target has not {self._size} values of each kind"
        if not math.isfinite(sum(float(part.dot(part)) for part in parts)):
            return "the policy's target is not finite"
        if target.stamp_ns > now_ns + self._limit_ns:
            return "the policy's target is ahead of the robot's time"
        return (
            "" if target.gains in self._gains else f"the policy's target names no gain set: '{target.gains}'"
        )
