"""The mode machine: who acts on the robot, and what makes that change.

    PASSIVE -> STAND -> POLICY <-> RECOVERY -> DAMPING / ESTOP (latched until reset)

What each reaction of a guard does:

- HOLD (the policy's targets are stale or unusable): the robot is brought to a stand with the stand
  gains, since legs that stop in the middle of a trot fall over, whereas a stand is stable without
  anybody. Targets that come back give the policy the robot again where ``autostart`` is set;
  otherwise a person arms it. If none come back the robot lies down and is damped. If it tilts
  meanwhile, the tilt guard calls recovery as ever.
- RECOVERY (the robot tilts): the recovery controller acts until the robot stands still, then the
  policy goes on, or the robot stands if no policy is to act. After the last attempt: DAMPING.
- DAMPING (the sensors cannot be trusted, states are lost): joints brake, nothing is held.
- ESTOP (a person, a second writer): the same, outranks everything.
"""

import math
from dataclasses import replace

from ros2_rl.robots import NS_PER_S, JointCommand, RobotDescription, RobotState
from ros2_rl.safety.config import SafetyConfig
from ros2_rl.safety.guards import Reaction, Sample, Verdict
from ros2_rl.safety.limiter import damping_command
from ros2_rl.safety.modes import DAMPED, Actor, Mode, ModeRecord
from ros2_rl.safety.poses import PoseScript, StandingCheck, brace, lie_down, stand_up
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.targets import TargetInbox


class ModeMachine:
    """Modes and their changes; the supervisor feeds it with samples and verdicts.

    Args:
        robot: the robot.
        config: its thresholds.
        recovery: what acts in RECOVERY.
        inbox: the policy's proposals.
        step_ns: control step of the policy.
        lockstep: the policy may be waited for, so it may start before its first target has come.
        autostart: stand up and start the policy by the stamps of ``config.autostart``, once.
    """

    def __init__(
        self,
        robot: RobotDescription,
        config: SafetyConfig,
        recovery: RecoveryController,
        inbox: TargetInbox,
        step_ns: int,
        lockstep: bool,
        autostart: bool,
    ):
        self._robot, self._config, self._recovery, self._inbox = robot, config, recovery, inbox
        self._step_ns, self._lockstep, self._autostart = step_ns, lockstep, autostart
        self._stand_at_ns = round(config.autostart.stand_s * NS_PER_S)
        self._policy_at_ns = round(config.autostart.policy_s * NS_PER_S) if autostart else 0
        self._lead_ns = round(config.hand_back.lead_s * NS_PER_S)
        self._fall_angle = math.radians(config.tilt.fall_deg)
        self._standing = StandingCheck(robot, config.hand_back)
        self.record = ModeRecord()
        self.sample: Sample | None = None
        self._begun = not autostart
        self._policy_wanted = self._policy_drove = self._policy_lost = False
        self._script: PoseScript | None = None
        self._lie_down_ns: int | None = None

    @property
    def mode(self) -> Mode:
        return self.record.mode

    @property
    def stamp_ns(self) -> int:
        return 0 if self.sample is None else self.sample.state.stamp_ns

    # ---- what the supervisor drives

    def accept(self, sample: Sample) -> None:
        """Take the newest sample."""
        self.sample = sample
        if self.mode in (Mode.STAND, Mode.RECOVERY):
            self._standing.update(sample)
            if sample.tilt > self._fall_angle and self.mode is Mode.RECOVERY and self._policy_drove:
                self.record.fall()

    def follow(self, verdict: Verdict) -> None:
        """Change the mode as a verdict asks, if it asks for more than is done already."""
        mode, reaction = self.mode, verdict.reaction
        if reaction is Reaction.ESTOP and mode is not Mode.ESTOP:
            self.enter(Mode.ESTOP, verdict.cause)
        elif reaction is Reaction.DAMPING and mode not in DAMPED:
            self.enter(Mode.DAMPING, verdict.cause)
        elif reaction is Reaction.RECOVERY and mode in (Mode.STAND, Mode.POLICY):
            self._recover(verdict.cause)
        elif reaction is Reaction.HOLD and mode is Mode.POLICY:
            self._hold(verdict.cause)

    def advance(self, sample: Sample) -> None:
        """Change the mode as time goes by."""
        if self.mode is Mode.STAND:
            self._advance_stand(sample.state)
        elif self.mode is Mode.RECOVERY:
            self._advance_recovery(sample.state)
        elif self.mode is Mode.POLICY:
            self._advance_driver()
        elif self.mode is Mode.PASSIVE and not self._begun and self.stamp_ns >= self._stand_at_ns:
            self._begun = self._policy_wanted = True
            self.stand(sample.state, "autostart")

    def proposal(self, sample: Sample) -> JointCommand:
        """What the present actor wants; still to be limited."""
        stamp_ns = sample.state.stamp_ns
        if self.mode is Mode.POLICY and self._inbox.latest is not None:
            return replace(self._inbox.latest, stamp_ns=stamp_ns)
        if self.mode is Mode.RECOVERY:
            return self._recovery.command(sample, self._standing.calm_s)
        if self.mode is Mode.STAND and self._script is not None:
            return self._script.at(stamp_ns)
        return damping_command(sample.state, stamp_ns)

    # ---- changes of mode

    def enter(self, mode: Mode, reason: str, human: bool = False) -> None:
        """Change the mode, whatever it is."""
        self._standing.reset()
        self.record.enter(mode, reason, self.stamp_ns, human)
        if mode in DAMPED:
            self._policy_wanted = self._policy_drove = False

    def stand(self, state: RobotState, reason: str, human: bool = False) -> None:
        """Stand up and go on standing."""
        self._script, self._lie_down_ns = stand_up(self._robot, self._config.stand, state), None
        self.enter(Mode.STAND, reason, human)

    def disarm(self) -> None:
        """The robot is to stand, without a policy."""
        self._policy_wanted = self._policy_drove = False

    def stands(self) -> bool:
        """The robot stands still in STAND, and is not about to lie down."""
        done = self._script is not None and self._script.done(self.stamp_ns)
        return self.mode is Mode.STAND and done and self._standing.standing

    def arm(self) -> int:
        """Let the policy act soon; returns the stamp from which on, ns."""
        self._policy_wanted = True
        self._approach_policy()
        return self.record.policy_from_ns

    def take_over(self) -> int:
        """A person is to drive soon; returns the stamp from which on, ns.

        It outlasts a recovery: the person has the robot again when it stands.
        """
        if self.record.human_from_ns == 0 or self.record.human_until_ns:
            self.record.announce_person(self.record.human_from_ns or self._soon(), 0)
        return self.record.human_from_ns

    def give_back(self) -> int:
        """The adapted policy is to act again soon; returns the stamp from which on, ns."""
        if self.record.human_until_ns == 0:
            self.record.announce_person(self.record.human_from_ns, self._soon())
        return self.record.human_until_ns

    def _soon(self) -> int:
        """The first policy tick that everybody hears of in time."""
        return -(-(self.stamp_ns + self._lead_ns) // self._step_ns) * self._step_ns

    def _advance_driver(self) -> None:
        record = self.record
        if 0 < record.human_until_ns <= self.stamp_ns:
            record.announce_person(0, 0)
            record.change_driver(Actor.POLICY, "a person gave back")
        elif 0 < record.human_from_ns <= self.stamp_ns and record.actor is not Actor.HUMAN:
            record.change_driver(Actor.HUMAN, "a person took over")

    def _recover(self, cause: str) -> None:
        if self.sample is not None:
            self._recovery.start(self.sample.state)
            self.enter(Mode.RECOVERY, cause)

    def _hold(self, cause: str) -> None:
        """Stand without the policy, for a while."""
        if self.sample is not None:
            self._script = brace(self._robot, self._config.stand, self.sample.state)
        self.enter(Mode.STAND, cause)
        self._policy_lost, self._policy_wanted = True, self._autostart
        self._lie_down_ns = self.stamp_ns + round(self._config.stale.lie_down_after_s * NS_PER_S)

    def _advance_stand(self, state: RobotState) -> None:
        if self._policy_wanted and self.stands() and self._policy_ready():
            self._approach_policy()
        else:
            self.record.announce(0)
            self._lie_down(state)

    def _advance_recovery(self, state: RobotState) -> None:
        if self._recovery.failed:
            self.enter(Mode.DAMPING, f"not on its feet after {self._recovery.attempts} attempts")
        elif not self._standing.standing:
            self.record.announce(0)
        elif not self._policy_wanted:
            self.stand(state, "recovered")
        elif self._policy_ready():
            self._approach_policy()
        else:
            self._hold("recovered, but the policy sends no targets")

    def _approach_policy(self) -> None:
        """Announce a tick from which the policy acts; when it has come, let it."""
        announced = self.record.policy_from_ns
        if announced == 0:
            earliest = max(self.stamp_ns + self._lead_ns, self._policy_at_ns)
            self.record.announce(-(-earliest // self._step_ns) * self._step_ns)
        elif self.stamp_ns >= announced:
            self._policy_drove, self._policy_lost = True, False
            self.enter(Mode.POLICY, "the robot stands")

    def _policy_ready(self) -> bool:
        waited_for = self._lockstep and not self._policy_lost
        return waited_for or self._inbox.fresh(self.stamp_ns)

    def _lie_down(self, state: RobotState) -> None:
        """Without a policy that was there: lie down after a while, then damp."""
        if self._lie_down_ns is None or self.stamp_ns < self._lie_down_ns or self._script is None:
            return
        if self._script.poses[-1][0] is not self._robot.fold_pose:
            self._script = lie_down(self._robot, self._config.stand, state)
        elif self._script.done(self.stamp_ns):
            self.enter(Mode.DAMPING, "lay down, since the policy's targets did not come back")
