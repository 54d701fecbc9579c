"""The mode machine: who acts on the robot, and what makes that change.

    PASSIVE -> STAND -> POLICY <-> RECOVERY -> DAMPING / ESTOP (latched until reset)

What each reaction of a guard does:

- HOLD (the policy's targets are stale or unusable, or what it goes by is): the robot is brought to a
  stand with the stand gains, since legs that stop in the middle of a trot fall over, whereas a stand
  is stable without anybody. Once nothing holds it any longer the policy gets the robot again where
  ``autostart`` is set; otherwise a person arms it. If targets do not come back the robot lies down
  and is damped. If it tilts meanwhile, the tilt guard calls recovery as ever.
- LIE_DOWN (an empty battery, a hot motor): the robot lies down by itself and is damped.
- RECOVERY (the robot tilts or lies): the recovery controller acts until the robot stands still, then
  the policy goes on, or the robot stands if no policy is to act. After the last attempt: DAMPING.
- DAMPING (the sensors cannot be trusted, states are lost): joints brake, nothing is held.
- ESTOP (a person, a second writer): the same, outranks everything.
"""

import math
from dataclasses import replace

from ros2_rl.robots import NS_PER_S, JointCommand, RobotDescription, RobotState
from ros2_rl.safety.config import SafetyConfig
from ros2_rl.safety.guards.attitude import HeightGuard
from ros2_rl.safety.guards.base import Rule
from ros2_rl.safety.guards.timing import TargetAgeGuard
from ros2_rl.safety.guards.tool import ContactForceGuard
from ros2_rl.safety.limiter import damping_command
from ros2_rl.safety.modes import DAMPED, Actor, Mode, ModeRecord
from ros2_rl.safety.poses import PoseScript, StandingCheck, brace, lie_down, stand_up
from ros2_rl.safety.reaction import OK, Reaction, Verdict
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.senses import Sample
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
        self._fall_angle = math.radians(config.recovery.fall_deg)
        height = config.guards.base_height
        self._trunk_m = config.recovery.trunk_m
        self._down = Rule(0.0 if height is None else height.after_s, 0.0)
        self._standing = StandingCheck(robot, config.hand_back)
        self.record = ModeRecord()
        self.sample: Sample | None = None
        self._stamp_ns = 0
        self._begun = not autostart
        self._policy_wanted = self._policy_drove = self._policy_lost = False
        self._script: PoseScript | None = None
        self._lie_down_ns: int | None = None
        self._landing = ""
        self._verdict = OK

    @property
    def mode(self) -> Mode:
        return self.record.mode

    @property
    def stamp_ns(self) -> int:
        """Of the newest state, whether it could be used or not."""
        return self._stamp_ns

    @property
    def on_feet(self) -> bool:
        """Whether the robot is meant to be on its feet."""
        up = self.mode is Mode.STAND and not self._landing
        return self.mode is Mode.POLICY or (
            up and self._script is not None and self._script.done(self.stamp_ns)
        )

    @property
    def held(self) -> str:
        """Why no policy may act now; empty when it may."""
        return self._verdict.cause if self._verdict.reaction >= Reaction.HOLD else ""

    # ---- what the supervisor drives

    def accept(self, sample: Sample) -> None:
        """Take the newest sample."""
        self.sample, self._stamp_ns = sample, sample.state.stamp_ns
        if self.mode in (Mode.STAND, Mode.RECOVERY):
            self._standing.update(sample)
            if self.mode is Mode.RECOVERY and self._policy_drove and self._lies(sample):
                self.record.fall()

    def pass_over(self, stamp_ns: int, verdict: Verdict) -> None:
        """Follow a verdict on a state that cannot be used."""
        self._stamp_ns = stamp_ns
        self.follow(verdict)

    def obey(self, verdict: Verdict) -> None:
        """Follow the guards' verdict on a state; while it holds, no policy starts."""
        self._verdict = verdict
        self.follow(verdict)

    def follow(self, verdict: Verdict) -> None:
        """Change the mode as a verdict asks, if it asks for more than is done already."""
        mode, reaction = self.mode, verdict.reaction
        if reaction < Reaction.HOLD:
            return
        if reaction is Reaction.ESTOP and mode is not Mode.ESTOP:
            self.enter(Mode.ESTOP, verdict.cause, guard=verdict.guard)
        elif reaction is Reaction.DAMPING and mode not in DAMPED:
            self.enter(Mode.DAMPING, verdict.cause, guard=verdict.guard)
        elif reaction is Reaction.RECOVERY and mode in (Mode.STAND, Mode.POLICY):
            self._recover(verdict)
        elif reaction is Reaction.LIE_DOWN and mode in (Mode.STAND, Mode.POLICY) and not self._landing:
            self._land(verdict.cause, verdict.guard)
        elif reaction is Reaction.HOLD and mode is Mode.POLICY:
            self._hold(verdict.cause, verdict.guard)

    def advance(self, sample: Sample) -> None:
        """Change the mode as time goes by."""
        if self.mode is Mode.STAND:
            self._advance_stand()
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

    def enter(self, mode: Mode, reason: str, human: bool = False, guard: str = "") -> None:
        """Change the mode, whatever it is."""
        self._standing.reset()
        self._landing = ""
        self.record.enter(mode, reason, self.stamp_ns, human, guard)
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

    def _recover(self, verdict: Verdict) -> None:
        if self.sample is None:
            return
        self._down.reset()
        fallen = self.mode is Mode.POLICY and verdict.guard == HeightGuard.name
        self._recovery.start(self.sample.state)
        self.enter(Mode.RECOVERY, verdict.cause, guard=verdict.guard)
        if fallen:
            self.record.fall()

    def _lies(self, sample: Sample) -> bool:
        """Whether the robot has fallen: on its side, or with its trunk on the ground.

        Recovery crouches on purpose, so folded legs alone are no fall here.
        """
        if sample.tick is not None:
            self._down.update(sample.tick.height < self._trunk_m, sample.state.stamp_ns)
        return sample.tilt > self._fall_angle or self._down.tripped

    def _hold(self, cause: str, guard: str = "") -> None:
        """Stand without the policy, for a while."""
        if self.sample is not None:
            self._script = brace(self._robot, self._config.stand, self.sample.state)
        self.enter(Mode.STAND, cause, guard=guard)
        self._policy_lost, self._policy_wanted = True, self._autostart
        self._lie_down_ns = self.stamp_ns + round(self._config.stand.lie_down_after_s * NS_PER_S)

    def _land(self, cause: str, guard: str = "") -> None:
        """Lie down on purpose, whatever comes of the cause meanwhile."""
        if self.sample is not None:
            self._script = lie_down(self._robot, self._config.stand, self.sample.state)
        self.enter(Mode.STAND, f"lies down, since {cause}", guard=guard)
        self.disarm()
        self._landing = cause

    def _advance_stand(self) -> None:
        if self._landing:
            if self._script is not None and self._script.done(self.stamp_ns):
                self.enter(Mode.DAMPING, f"lay down, since {self._landing}", guard=self.record.guard)
        elif self._policy_wanted and self.stands() and self._policy_ready():
            self._approach_policy()
        elif self._still_pushed():
            assert self.sample is not None
            self._script = brace(self._robot, self._config.stand, self.sample.state)
        else:
            self.record.announce(0)
            self._give_up_waiting()

    def _still_pushed(self) -> bool:
        """Whether an arm that holds is touched too hard all the same, so that it has to give way.

        Where it was when it was stopped it may since have been thrown out of, and press to get back there.
        """
        pushed = self._verdict.guard == ContactForceGuard.name and bool(self.held)
        return pushed and self._script is not None and self._script.done(self.stamp_ns)

    def _advance_recovery(self, state: RobotState) -> None:
        if self._recovery.failed:
            cause = f"not on its feet after {self._recovery.attempts} attempts"
            self.enter(Mode.DAMPING, cause, guard="recovery")
        elif not self._standing.standing:
            self.record.announce(0)
        elif not self._policy_wanted:
            self.stand(state, "recovered")
        elif self._policy_ready():
            self._approach_policy()
        else:
            self._hold(f"recovered, but {self.held or 'the policy sends no targets'}")

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
        return not self.held and (waited_for or self._inbox.fresh(self.stamp_ns))

    def _give_up_waiting(self) -> None:
        """Lie down after a while without the targets of a policy that was there."""
        if self._lie_down_ns is None:
            return
        if self._inbox.fresh(self.stamp_ns):
            self._lie_down_ns = self.stamp_ns + round(self._config.stand.lie_down_after_s * NS_PER_S)
        elif self.stamp_ns >= self._lie_down_ns:
            self._land("the policy's targets did not come back", TargetAgeGuard.name)
