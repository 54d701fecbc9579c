"""The supervisor: answers every state of the robot with a safe joint command.

Pure: it sees states and targets with their stamps, reads no clock and knows no topics. It asks the
guards, lets the mode machine follow the strongest verdict, and limits what the present actor
wants.
"""

from ros2_rl.robots import NS_PER_S, JointCommand, RobotDescription, RobotState
from ros2_rl.safety.blackbox import BlackBox, Entry
from ros2_rl.safety.config import SafetyConfig
from ros2_rl.safety.guards.panel import GuardPanel
from ros2_rl.safety.guards.sensors import FiniteGuard
from ros2_rl.safety.guards.timing import TargetAgeGuard
from ros2_rl.safety.limiter import Limiter, damping_command
from ros2_rl.safety.machine import ModeMachine
from ros2_rl.safety.modes import DAMPED, Mode, Snapshot
from ros2_rl.safety.reaction import Reaction, Verdict
from ros2_rl.safety.recovery import RecoveryController
from ros2_rl.safety.requests import REQUESTS
from ros2_rl.safety.senses import Sample, Senses, TickMaker, attitude
from ros2_rl.safety.targets import TargetInbox
from ros2_rl.safety.workspace import WorkspaceFence


class Supervisor:
    """Guards, mode machine and limiter of one robot.

    Args:
        robot: the robot.
        config: its thresholds.
        recovery: what acts in RECOVERY.
        step_ns: control step of the policy; ticks are stamps that are multiples of it.
        lockstep: at a tick in POLICY, wait for the target of that very stamp; in RECOVERY, too, as long as
            the policy keeps up, so that no control step of it is lost.
        autostart: stand up and start the policy by the stamps of ``config.autostart``, once.
    """

    def __init__(
        self,
        robot: RobotDescription,
        config: SafetyConfig,
        recovery: RecoveryController,
        *,
        step_ns: int = 20_000_000,
        lockstep: bool = False,
        autostart: bool = False,
    ):
        self._step_ns, self._lockstep = step_ns, lockstep
        rules = config.guards
        self._inbox = TargetInbox(robot, rules.target_age.ticks * step_ns)
        self._machine = ModeMachine(robot, config, recovery, self._inbox, step_ns, lockstep, autostart)
        self._machine.record.limit_residual(config.residual.limit_deg)
        self._residual_limit_deg = config.residual.limit_deg
        self.panel = GuardPanel(robot, rules)
        self.senses = Senses()
        """What was heard beside the states; whoever hears it writes it here."""
        self._ticks = TickMaker(robot)
        self._finite = FiniteGuard(rules.finite)
        self._target_guard = TargetAgeGuard(rules.target_age, step_ns)
        self._limiter = Limiter(robot, config.joints)
        self._fence = None if rules.workspace is None else WorkspaceFence(robot, rules.workspace)
        self._box = BlackBox()
        self._state: RobotState | None = None
        self._stamp_ns = self._unawaited_ns = -1
        self._answer: JointCommand | None = None
        self._sent: JointCommand | None = None
        self._before, self._dt = robot.stand_pose, 0.0

    @property
    def mode(self) -> Mode:
        return self._machine.mode

    @property
    def revision(self) -> int:
        """Grows whenever something happens that ``supervisor/state`` tells."""
        return self._machine.record.revision

    @property
    def waiting(self) -> bool:
        """Lockstep only: the last state is not answered before its target has come."""
        if not self._lockstep or self._stamp_ns % self._step_ns or self._stamp_ns == self._unawaited_ns:
            return False
        newest = self._inbox.stamp_ns
        if self._machine.mode is Mode.RECOVERY:
            return newest == self._stamp_ns - self._step_ns
        return self._machine.mode is Mode.POLICY and newest < self._stamp_ns

    def snapshot(self) -> Snapshot:
        return self._machine.record.snapshot(max(self._stamp_ns, 0))

    def told(self) -> None:
        """The event so far, if there was one, has been kept; a new state begins a new one in any case."""
        self._machine.record.told()

    def recent(self) -> tuple[Entry, ...]:
        """The last second, with the newest state and its answer."""
        now = () if self._state is None else (Entry(self._state, self._answer, self.mode),)
        return (*self._box.contents(), *now)

    def on_state(self, state: RobotState) -> JointCommand | None:
        """The command for a state; None while it waits for the target of that stamp.

        A stamp seen again is answered as before and changes nothing.
        """
        if state.stamp_ns == self._stamp_ns:
            return self._answer
        if self._state is not None:
            self._box.add(Entry(self._state, self._answer, self.mode))
        self._state = state
        self.told()
        fault = self._finite.update(state)
        if fault.reaction:
            return self._pass_over(state, fault)
        sample = self._accept(state)
        machine, panel = self._machine, self.panel
        machine.obey(panel.update(sample))
        machine.record.trip(panel.tripped, panel.adapter.distrusted)
        machine.advance(sample)
        if machine.mode is Mode.POLICY and not self.waiting:
            machine.follow(self._target_guard.update(sample))
        return self.answer()

    def on_target(self, target: JointCommand) -> JointCommand | None:
        """A proposal of the policy; the new command if it changes what the robot is told now."""
        waited, newest = self.waiting, self._inbox.stamp_ns
        fault = self._inbox.offer(target, self._stamp_ns)
        if fault and (waited or self.mode is Mode.POLICY):
            return self.go_on(Verdict(Reaction.HOLD, fault))
        acts = self.mode is Mode.POLICY and self._inbox.stamp_ns > newest
        due = waited and not self.waiting if self._lockstep else acts
        return self.answer() if due else None

    def go_on(self, verdict: Verdict) -> JointCommand | None:
        """Wait no longer for the target of the last state, and follow a verdict; the command to send now."""
        self._unawaited_ns = self._stamp_ns
        return self.react(verdict.reaction, verdict.cause, verdict.guard)

    def react(self, reaction: Reaction, cause: str, guard: str = "") -> JointCommand | None:
        """Follow a verdict from outside (watchdogs); returns the command to send now."""
        self._machine.follow(Verdict(reaction, cause, guard))
        return self.answer()

    def silence(self, verdict: Verdict) -> JointCommand | None:
        """No state comes any longer: follow a verdict, and damp the joints until one does.

        Whatever is wanted of them, nobody feels what becomes of it. None before the first state.
        """
        self._machine.follow(verdict)
        sample = self._machine.sample
        if sample is not None:
            self._answer = self._sent = damping_command(sample.state, self._stamp_ns)
        return self._answer

    def limit_residual(self, limit_deg: float) -> None:
        """Let a learned residual move joint targets by no more than this, deg; 0 leaves the base alone.

        Raises:
            ValueError: it is negative, or above what the robot's configuration allows.
        """
        if not 0.0 <= limit_deg <= self._residual_limit_deg:
            raise ValueError(f"the residual's limit must be within 0 and {self._residual_limit_deg:g} deg")
        self._machine.record.limit_residual(limit_deg)

    def request(self, event: str) -> tuple[bool, str]:
        """Do one of ``REQUESTS`` (``arm``, ``stand``, ...): was it done, and a sentence.

        The next :meth:`answer` follows it.

        Raises:
            KeyError: there is no such request.
        """
        done, sentence = REQUESTS[event](self._machine, self._inbox)
        if done and event == "reset":
            self._finite.reset()
            self._target_guard.reset()
            self.panel.reset()
            self._ticks.reset()
        return done, sentence

    def answer(self) -> JointCommand | None:
        """The command for the last state under the present mode; None before any, or waiting."""
        sample = self._machine.sample
        self._answer = None if sample is None or self.waiting else self._command(sample)
        self._sent = self._answer or self._sent
        return self._answer

    def _accept(self, state: RobotState) -> Sample:
        """Take a state; the command before it is what the rate of the next one is measured against."""
        if state.stamp_ns < self._stamp_ns:
            self._inbox.clear()
            self._unawaited_ns = -1
        sent = self._sent
        if sent is None or self.mode in DAMPED:
            self._before = state.q
        else:
            self._before, self._dt = sent.q, (state.stamp_ns - sent.stamp_ns) / NS_PER_S
        self._stamp_ns = state.stamp_ns
        sample = self._sample(state)
        self._machine.accept(sample)
        return sample

    def _sample(self, state: RobotState) -> Sample:
        mode, record, inbox = self.mode, self._machine.record, self._inbox
        angle, rate = attitude(state.quat, state.gyro)
        tool = self._ticks.gather(state)
        tick = state.stamp_ns % self._step_ns == 0
        return Sample(
            state,
            angle,
            rate,
            inbox.age_s(state.stamp_ns),
            acts=mode not in DAMPED,
            stands=self._machine.on_feet,
            policy=mode is Mode.POLICY,
            sent=self._sent,
            tick=self._ticks.make(state, self.senses, inbox.latest) if tick else None,
            senses=self.senses,
            overrides=record.overrides,
            falls=record.falls,
            tool=tool,
        )

    def _pass_over(self, state: RobotState, verdict: Verdict) -> JointCommand:
        """Answer a state that cannot be used: with the last command, or damped if that goes on."""
        self._machine.pass_over(state.stamp_ns, verdict)
        self._stamp_ns, sent = state.stamp_ns, self._sent
        if sent is None or self.mode in DAMPED:
            self._answer = damping_command(state, state.stamp_ns)
        else:
            self._answer = JointCommand(state.stamp_ns, sent.q, sent.dq, sent.tau, sent.gains)
        return self._answer

    def _command(self, sample: Sample) -> JointCommand:
        proposal = self._machine.proposal(sample)
        if self.mode in DAMPED:
            return proposal
        command = self._limiter.limit(proposal, sample.state, self._before, self._dt)
        if self._fence is not None:
            command = self._fence.limit(command, self._before, proposal.q)
        self._machine.record.limited += bool((command.q != proposal.q).any())
        return command
