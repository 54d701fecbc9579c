"""The robot of bench/faults.py: a plant that can be broken and that notes what reaches it.

What a command may hold is judged here, with the robot's limits as its URDF has them, whatever the
supervisor believes to have sent.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fault_lines import SOUND, Line, SpoiltPublisher
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float32MultiArray

from ros2_rl.errors import ConfigError
from ros2_rl.nodes.conversions import to_ns, to_time
from ros2_rl.nodes.sim_bridge import SimBridge
from ros2_rl.robots import NS_PER_S, JointCommand, RobotDescription, RobotState, tilt
from ros2_rl.sim.drives import Command
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import Plant

_TOLERANCE = 1e-6
_PATIENCE_S = 2.0
"""Wall time after which a process that does not answer is taken for dead, until it answers again."""


@dataclass
class Worst:
    """The worst of what reached the drives."""

    beyond_rad: float = 0.0
    """Position beyond a joint's limit."""
    beyond_speed: float = 0.0
    beyond_nm: float = 0.0

    @property
    def outside(self) -> bool:
        return max(self.beyond_rad, self.beyond_speed, self.beyond_nm) > _TOLERANCE


@dataclass(frozen=True)
class Change:
    """Another gain set came into force."""

    wall_s: float
    stamp_ns: int
    gains: str


@dataclass
class Watch:
    """What happened since it was last made anew."""

    worst: Worst = field(default_factory=Worst)
    changes: list[Change] = field(default_factory=list)
    shown: dict[int, float] = field(default_factory=dict)
    """Wall time at which the state of a stamp was shown, s."""
    last_command_s: float = 0.0
    rejected: int = 0
    """Commands that the drives did not take."""
    fell: bool = False
    tilt_deg: float = 0.0
    """Largest true tilt of the base."""


class WatchedPlant(Plant):
    """See the module; ``spoil`` alters the sensors, ``due`` is called at its stamp."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.watch = Watch()
        self.spoil: Callable[[RobotState], RobotState] | None = None
        self.due: tuple[int, Callable[[], None]] | None = None
        self._gains = "damping"
        self._spoilt: RobotState | None = None
        super().__init__(*args, **kwargs)

    def state(self) -> RobotState:
        state = super().state()
        if self._spoilt is None or self._spoilt.stamp_ns != state.stamp_ns or self.spoil is None:
            self._spoilt = state if self.spoil is None else self.spoil(state)
        return self._spoilt

    def apply(self, command: Command) -> bool:
        assert isinstance(command, JointCommand)
        taken = super().apply(command)
        if taken:
            self.watch.last_command_s = time.monotonic()
            self._judge(command)
            self._note(command.gains)
        self.watch.rejected += not taken
        return taken

    def advance(self) -> None:
        super().advance()
        if self.drives.damped:
            self._note("damping")
        self.watch.fell |= self.fallen
        self.watch.tilt_deg = max(self.watch.tilt_deg, math.degrees(tilt(self._qpos[3:7])))
        if self.due is not None and self.stamp_ns >= self.due[0]:
            act, self.due = self.due[1], None
            act()

    def stand(self) -> None:
        """As a person would put it on its feet."""
        qpos = np.zeros(7 + self.robot.num_joints)
        qpos[2], qpos[3], qpos[7:] = self.robot.stand_height + 0.01, 1.0, self.robot.stand_pose
        self.place(qpos)

    def _note(self, gains: str) -> None:
        if gains != self._gains:
            self._gains = gains
            self.watch.changes.append(Change(time.monotonic(), self.stamp_ns, gains))

    def _judge(self, command: JointCommand) -> None:
        worst, robot = self.watch.worst, self.robot
        if command.gains == "damping":
            return  # positions mean nothing without a position gain
        beyond = np.maximum(command.q - robot.q_upper, robot.q_lower - command.q).max()
        worst.beyond_rad = max(worst.beyond_rad, float(beyond))
        worst.beyond_speed = max(worst.beyond_speed, float((np.abs(command.dq) - robot.dq_max).max()))
        worst.beyond_nm = max(worst.beyond_nm, float((np.abs(command.tau) - robot.tau_max).max()))


class WatchedRobot(SimBridge):
    """The simulator's node around a :class:`WatchedPlant`, its topics on lines."""

    plant: WatchedPlant

    def __init__(self) -> None:
        super().__init__(polled=True)
        topics, clock = self._topics, self.clock
        self.lines: dict[str, Line] = {}
        for name, kind, attribute in (
            ("imu/data", Imu, "_pub_imu"),
            ("joint_states", JointState, "_pub_joints"),
            ("foot_forces", Float32MultiArray, "_pub_feet"),
        ):
            spoilt = SpoiltPublisher(getattr(topics, attribute), kind, clock)
            setattr(topics, attribute, spoilt)
            self.lines[name] = spoilt.line
        self._command_line = Line(JointState, super()._hear, clock)
        self.lines["joint_commands"] = self._command_line
        self.frozen = False
        """Whether the robot's computer stands still: it shows no state and hears no command."""
        self.leap_ns = 0
        """By how much the robot's clock was set; its commands' stamps are as wrong as its states'."""
        self.keeps_up: Callable[[int], bool] = lambda stamp_ns: True
        """Whether the processes of the graph have answered a stamp; a busy host is given time."""
        self._given_up = False

    def clock(self) -> float:
        """Robot time, s: a delay is as long on a slow host."""
        return self.plant.stamp_ns / NS_PER_S

    def poll(self) -> None:
        for line in self.lines.values():
            line.pump()
        if not self.frozen and (self.lockstep or self._others_have_answered()):
            super().poll()

    def left_s(self, now: float) -> float:
        """As of a simulator; one that waits is in no hurry."""
        waits = self.frozen or not (self.lockstep or self._others_have_answered())
        return math.inf if waits else super().left_s(now)

    def _others_have_answered(self) -> bool:
        """With the wall: whether robot time may go on, for the host of the campaign is not what is tested."""
        stamp_ns = self.plant.stamp_ns
        if self.keeps_up(stamp_ns):
            self._given_up = False
        elif not self._given_up:
            shown = self.plant.watch.shown.get(stamp_ns, 0.0)
            self._given_up = self._running and time.monotonic() - shown > _PATIENCE_S
        return self._given_up or self.keeps_up(stamp_ns) or not self._running

    def _each_second(self) -> None:
        """A second writer ends the simulator; here the campaign goes on."""
        with suppress(ConfigError):
            super()._each_second()

    def _build(self, robot: RobotDescription, gap: Perturbations) -> WatchedPlant:
        value = self.parameters.value
        return WatchedPlant(robot, gap, value("seed"), value("physics_dt"), value("state_rate_hz"))

    def _show(self) -> None:
        self.plant.watch.shown[self.plant.stamp_ns] = time.monotonic()
        super()._show()

    def listen(self) -> None:
        if not self.frozen:
            super().listen()

    def _hear(self, raw: bytes) -> None:
        if self.leap_ns:
            msg = deserialize_message(raw, JointState)
            msg.header.stamp = to_time(max(to_ns(msg.header.stamp) - self.leap_ns, 0))
            raw = serialize_message(msg)
        if self._command_line.fault is SOUND:
            super()._hear(raw)
        else:
            self._command_line.carry(raw)
