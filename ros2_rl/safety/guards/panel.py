"""All guards of a robot, and the strongest of what they say."""

from collections.abc import Callable
from typing import TypeVar

from ros2_rl.robots import RobotDescription
from ros2_rl.safety.guards.attitude import HeightGuard, PredictedTiltGuard, TiltGuard
from ros2_rl.safety.guards.base import Guard
from ros2_rl.safety.guards.estimate import EstimateGuard, OdometryGuard
from ros2_rl.safety.guards.joints import (
    DriveGuard,
    JointLoadGuard,
    JointPositionGuard,
    JointSpeedFaultGuard,
    JointSpeedGuard,
    JointTorqueFaultGuard,
    TemperatureGuard,
)
from ros2_rl.safety.guards.policy import AdapterGuard, TargetJumpGuard
from ros2_rl.safety.guards.power import BatteryGuard
from ros2_rl.safety.guards.sensors import (
    FrozenImuGuard,
    FrozenJointGuard,
    ImuRangeGuard,
    OrientationGuard,
)
from ros2_rl.safety.guards.timing import (
    CommandAgeGuard,
    LongStateGapGuard,
    LostStatesGuard,
    LostTicksGuard,
    StampGuard,
    StateGapGuard,
)
from ros2_rl.safety.guards.tool import ContactForceGuard, WorkspaceGuard
from ros2_rl.safety.reaction import OK, Reaction, Verdict, strongest
from ros2_rl.safety.rules import GuardRules, Settings
from ros2_rl.safety.senses import Sample

Rule = TypeVar("Rule", bound=Settings)


class GuardPanel:
    """Asks the guards; remembers what was said between two control steps and from outside.

    Args:
        robot: the robot whose joints are watched.
        rules: thresholds of all guards.
    """

    def __init__(self, robot: RobotDescription, rules: GuardRules):
        self._every_state: tuple[Guard, ...] = (
            StampGuard(rules.stamp),
            StateGapGuard(rules.state_gap),
            *_made(LongStateGapGuard, rules.long_state_gap),
            LostStatesGuard(rules.lost_states),
            *_made(ImuRangeGuard, rules.imu_range),
            JointPositionGuard(robot, rules.joint_position),
            JointSpeedFaultGuard(robot, rules.joint_speed_fault),
            JointTorqueFaultGuard(robot, rules.joint_torque_fault),
            JointSpeedGuard(robot, rules.joint_speed),
            JointLoadGuard(robot, rules.joint_load),
            *_made(TiltGuard, rules.tilt),
            *_made(PredictedTiltGuard, rules.predicted_tilt),
            *_made(ContactForceGuard, rules.contact_force),
            *_made(WorkspaceGuard, rules.workspace),
        )
        self.adapter = AdapterGuard(rules.adapter)
        self._every_tick: tuple[Guard, ...] = (
            *_made(HeightGuard, rules.base_height),
            *_made(FrozenImuGuard, rules.frozen_imu),
            FrozenJointGuard(robot, rules.frozen_joint),
            *_made(OrientationGuard, rules.imu_orientation),
            *_made(OdometryGuard, rules.imu_against_legs),
            *_made(EstimateGuard, rules.estimate),
            DriveGuard(robot, rules.drive),
            TemperatureGuard(robot, rules.temperature),
            *_made(BatteryGuard, rules.battery),
            LostTicksGuard(rules.lost_ticks),
            TargetJumpGuard(robot, rules.target_jump),
            *_made(CommandAgeGuard, rules.command_age),
            self.adapter,
        )
        self._outside: dict[str, Verdict] = {}
        self._slow: list[Verdict] = []
        self.tripped: tuple[str, ...] = ()
        """Names of the guards that are tripped now; those that merely limit are not named."""
        self.worst = OK
        """The strongest verdict at the last state."""

    def update(self, sample: Sample) -> Verdict:
        """The strongest verdict for a state."""
        if sample.tick is not None:
            self._slow = [verdict for guard in self._every_tick if (verdict := guard.update(sample)).reaction]
        said = [verdict for guard in self._every_state if (verdict := guard.update(sample)).reaction]
        if said or self._slow or self._outside or self.tripped:
            self._judge([*said, *self._slow, *self._outside.values()])
        return self.worst

    def tell(self, guard: str, verdict: Verdict) -> None:
        """What somebody outside has found, until he says otherwise (``OK``)."""
        self._outside.pop(guard, None)
        if verdict.reaction:
            self._outside[guard] = verdict

    def reset(self) -> None:
        """Forget everything but what was said from outside."""
        for guard in (*self._every_state, *self._every_tick):
            guard.reset()
        self._slow, self.tripped, self.worst = [], (), OK

    def _judge(self, verdicts: list[Verdict]) -> None:
        self.worst = strongest(verdicts)
        self.tripped = tuple(v.guard for v in verdicts if v.reaction is not Reaction.LIMIT)


def _made(guard: Callable[[Rule], Guard], rule: Rule | None) -> list[Guard]:
    """The guard of a rule, if the robot has it."""
    return [] if rule is None else [guard(rule)]
