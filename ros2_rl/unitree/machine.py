"""What the driver tells the motors: the supervisor's commands, and what becomes of them when they stop.

    IDLE ── command ──► FOLLOWING ── none for 50 ms ──► DAMPING ── 2 s ──► OFF
     ▲ └─ stand_up, lie_down ─► SEQUENCE                   ▲
     └───────────────────────────┘        HALTED ◄── remote, second writer, shutdown (from anywhere)

Pure: wall time is handed in, seconds of a clock that never jumps.
"""

import threading
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ros2_rl.robots import NS_PER_S, JointCommand, RobotDescription, RobotState, tilt
from ros2_rl.safety.config import StandConfig
from ros2_rl.safety.poses import PoseScript, lie_down, stand_up

_DAMPING = "damping"
_UPRIGHT = np.radians(45.0)
"""Tilt up to which a sequence of poses makes sense."""


class State(StrEnum):
    """What the motors are told."""

    IDLE = "IDLE"
    """Damped; nobody has commanded yet."""
    FOLLOWING = "FOLLOWING"
    """The newest of ``joint_commands``."""
    SEQUENCE = "SEQUENCE"
    """Standing up or lying down, asked for by a person."""
    DAMPING = "DAMPING"
    """Damped for want of commands or of states."""
    OFF = "OFF"
    """Motors off, after damping without a word from anybody."""
    HALTED = "HALTED"
    """Damped for good, until a command damps as well."""


@dataclass(frozen=True)
class Timeouts:
    """Wall times, s."""

    command_s: float = 0.05
    """Without a command: DAMPING. Older commands are refused, too."""
    state_s: float = 0.1
    """Without a LowState: DAMPING."""
    damping_s: float = 2.0
    """In DAMPING: OFF."""


class DriverMachine:
    """See the module; its methods may be called from several threads."""

    def __init__(self, robot: RobotDescription, stand: StandConfig, timeouts: Timeouts | None = None):
        self._robot, self._stand, self._timeouts = robot, stand, timeouts or Timeouts()
        self._lock = threading.Lock()
        self.state, self.reason = State.IDLE, "no command has come yet"
        self._newest: RobotState | None = None
        self._command: JointCommand | None = None
        self._script: PoseScript | None = None
        self._heard = self._seen = self._since = 0.0
        self.timeouts = 0
        """How often the commands stopped."""
        self.refused = 0

    # ---- what comes in

    def on_state(self, state: RobotState, now: float) -> None:
        """A LowState has come."""
        with self._lock:
            self._newest, self._seen = state, now
            if self.state is not State.SEQUENCE or self._script is None:
                return
            if tilt(state.quat) > _UPRIGHT:
                self._enter(State.DAMPING, "the robot tilted over 45 degrees in a sequence", now)
            elif self._script.done(state.stamp_ns) and self._lies_down:
                self._enter(State.IDLE, "the robot has lain down", now)

    def on_command(self, command: JointCommand, now: float) -> str | None:
        """A command has come; the reason if it is refused."""
        with self._lock:
            fault = self._fault(command)
            if fault is None:
                self._command, self._heard = command, now
                if self.state is not State.FOLLOWING:
                    self._enter(State.FOLLOWING, "joint_commands", now)
            else:
                self.refused += 1
            return fault

    def halt(self, reason: str, now: float) -> None:
        """Damp at once, whatever anybody says."""
        with self._lock:
            if self.state is not State.HALTED:
                self._enter(State.HALTED, reason, now)

    def stand_up(self, now: float) -> tuple[bool, str]:
        """Begin to stand up; whether it began, and a sentence."""
        return self._begin(stand_up, "Standing up.", now)

    def lie_down(self, now: float) -> tuple[bool, str]:
        """Begin to lie down; whether it began, and a sentence."""
        return self._begin(lie_down, "Lying down.", now)

    # ---- what goes out

    def output(self, now: float) -> JointCommand | None:
        """What the motors are to do now; None: motors off."""
        with self._lock:
            self._watch(now)
            if self.state is State.OFF or self._newest is None:
                return None
            if self.state is State.FOLLOWING:
                return self._command
            if self.state is State.SEQUENCE and self._script is not None:
                return self._script.at(self._newest.stamp_ns)
            zero = np.zeros_like(self._newest.q)
            return JointCommand(self._newest.stamp_ns, self._newest.q, zero, zero, _DAMPING)

    # ---- innards

    @property
    def _lies_down(self) -> bool:
        return self._script is not None and self._script.poses[-1][0] is self._robot.fold_pose

    def _enter(self, state: State, reason: str, now: float) -> None:
        self.state, self.reason, self._since = state, reason, now
        if state is not State.SEQUENCE:
            self._script = None

    def _watch(self, now: float) -> None:
        """Change the state as time goes by."""
        times = self._timeouts
        moving = self.state in (State.FOLLOWING, State.SEQUENCE)
        if moving and now - self._seen > times.state_s:
            self._enter(State.DAMPING, f"no rt/lowstate for {times.state_s:g} s", now)
        elif self.state is State.FOLLOWING and now - self._heard > times.command_s:
            self.timeouts += 1
            self._enter(State.DAMPING, f"no joint_commands for {times.command_s:g} s", now)
        elif self.state is State.DAMPING and now - self._since > times.damping_s:
            self._enter(State.OFF, self.reason, now)

    def _fault(self, command: JointCommand) -> str | None:
        """Why a command cannot be followed."""
        robot, newest = self._robot, self._newest
        if newest is None:
            return "no state of the robot has come yet"
        age_s = (newest.stamp_ns - command.stamp_ns) / NS_PER_S
        if not 0.0 <= age_s <= self._timeouts.command_s:
            return f"its stamp is {age_s:.3f} s behind the robot's newest state"
        if command.gains not in robot.gains:
            return f"its gain set '{command.gains}' is not one of {', '.join(robot.gains)}"
        if not np.isfinite((command.q, command.dq, command.tau)).all():
            return "it is not finite"
        damps = command.gains == _DAMPING
        if self.state in (State.HALTED, State.OFF) and not damps:
            return f"the driver is {self.state} ({self.reason}); damp first, as after supervisor/reset"
        beyond = np.maximum(command.q - robot.q_upper, robot.q_lower - command.q)
        worst = int(beyond.argmax())
        if not damps and beyond[worst] > 1e-6:
            return f"{robot.joints[worst]} would go {beyond[worst]:.3f} rad beyond its limit"
        return None

    def _begin(self, script, sentence: str, now: float) -> tuple[bool, str]:
        with self._lock:
            if self.state is State.FOLLOWING:
                return False, "The supervisor commands the robot: use supervisor/stand and supervisor/damp."
            if self._newest is None or now - self._seen > self._timeouts.state_s:
                return False, "No state of the robot comes in: check its cable, then ask again."
            if tilt(self._newest.quat) > _UPRIGHT:
                return False, "The robot lies on its side or back: turn it onto its belly, then ask again."
            self._script = script(self._robot, self._stand, self._newest)
            self._enter(State.SEQUENCE, sentence, now)
            return True, sentence
