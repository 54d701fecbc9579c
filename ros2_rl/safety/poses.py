"""Standing up and lying down by position, and the check whether the robot stands."""

import math
from dataclasses import dataclass

import numpy as np

from ros2_rl.robots import NS_PER_S, JointCommand, RobotDescription, RobotState
from ros2_rl.safety.config import HandBackConfig, StandConfig
from ros2_rl.safety.senses import Sample


@dataclass(frozen=True, slots=True)
class PoseScript:
    """Leads the joints through poses, each reached with zero speed."""

    start_ns: int
    start: np.ndarray
    """Joint positions at the beginning, shape (J,), rad."""
    poses: tuple[tuple[np.ndarray, float], ...]
    """Pose, shape (J,), rad, and the time that leading to it takes, s."""
    gains: str = "stand"

    def at(self, stamp_ns: int) -> JointCommand:
        """Command of a stamp; the last pose is held for ever."""
        before, left = self.start, (stamp_ns - self.start_ns) / NS_PER_S
        zero = np.zeros_like(before)
        for pose, duration in self.poses:
            if left < duration:
                share = max(left, 0.0) / duration
                smooth = share * share * (3.0 - 2.0 * share)
                return JointCommand(stamp_ns, before + smooth * (pose - before), zero, zero, self.gains)
            before, left = pose, left - duration
        return JointCommand(stamp_ns, before, zero, zero, self.gains)

    def done(self, stamp_ns: int) -> bool:
        return stamp_ns - self.start_ns >= round(sum(d for _, d in self.poses) * NS_PER_S)


def stand_up(robot: RobotDescription, config: StandConfig, state: RobotState) -> PoseScript:
    """From wherever the joints are to the stand pose, through the folded one if they are far off."""
    stand = ((robot.stand_pose, config.stand_s),)
    if float(np.abs(state.q - robot.stand_pose).max()) <= config.direct_error:
        return PoseScript(state.stamp_ns, state.q, stand)
    return PoseScript(state.stamp_ns, state.q, ((robot.fold_pose, config.fold_s), *stand))


def brace(robot: RobotDescription, config: StandConfig, state: RobotState) -> PoseScript:
    """Out of a gait straight to the stand pose, fast, so that legs in the air catch the body.

    A robot whose base stands fast stays where it is: a position that it does not press against lets go.
    """
    return PoseScript(state.stamp_ns, state.q, ((_rest(robot, robot.stand_pose, state), config.brace_s),))


def lie_down(robot: RobotDescription, config: StandConfig, state: RobotState) -> PoseScript:
    """To the folded pose, belly on the ground; a robot whose base stands fast stays where it is."""
    return PoseScript(state.stamp_ns, state.q, ((_rest(robot, robot.fold_pose, state), config.stand_s),))


def _rest(robot: RobotDescription, pose: np.ndarray, state: RobotState) -> np.ndarray:
    return pose if robot.floating else state.q


def roll_over(robot: RobotDescription, state: RobotState) -> PoseScript:
    """From the back onto the feet's side: the robot's own key poses, legs folded in the end."""
    return PoseScript(state.stamp_ns, state.q, (*robot.roll_over, (robot.fold_pose, 0.5)), "recovery")


class StandingCheck:
    """Whether the robot stands still, and since when: the hysteresis of the hand-over.

    A robot with legs must be near its stand pose as well; one whose base stands fast may be anywhere.
    """

    def __init__(self, robot: RobotDescription, config: HandBackConfig):
        self._pose, self._config = robot.stand_pose, config
        self._anywhere = not robot.floating
        self._tilt = math.radians(config.tilt_deg)
        self._hold_ns = round(config.hold_s * NS_PER_S)
        self.reset()

    def reset(self) -> None:
        self._calm_ns: int | None = None
        self._standing_ns: int | None = None
        self._now_ns = 0

    def update(self, sample: Sample) -> None:
        state, config = sample.state, self._config
        self._now_ns = state.stamp_ns
        calm = sample.tilt < self._tilt and float(state.gyro.dot(state.gyro)) < config.ang_vel**2
        posed = (
            calm
            and (self._anywhere or float(np.abs(state.q - self._pose).max()) < config.joint_error)
            and float(np.abs(state.dq).max()) < config.joint_speed
        )
        self._calm_ns = _since(self._calm_ns, calm, state.stamp_ns)
        self._standing_ns = _since(self._standing_ns, posed, state.stamp_ns)

    @property
    def standing(self) -> bool:
        """Upright, slow, near the stand pose where that matters, for the whole hold time."""
        return self._standing_ns is not None and self._now_ns - self._standing_ns >= self._hold_ns

    @property
    def calm_s(self) -> float:
        """For how long the base has been upright and slow, whatever the joints do, s."""
        return 0.0 if self._calm_ns is None else (self._now_ns - self._calm_ns) / NS_PER_S


def _since(start_ns: int | None, holds: bool, now_ns: int) -> int | None:
    if not holds:
        return None
    return now_ns if start_ns is None else start_ns
