"""Node ``practice``: asks for velocities, so that nobody has to hold a joystick while it learns.

One ``cmd_vel`` a control step, stamped with the ``odom`` it answers; ``ros2_rl.tasks.practice`` says
what to ask for. A stamp seen again is answered as before.
"""

import sys
import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import deserialize_message

from ros2_rl.cdr import header_stamp
from ros2_rl.errors import ConfigError
from ros2_rl.learning.phase import IDLE, TRAIN, Phase
from ros2_rl.nodes._main import run
from ros2_rl.nodes.asking import offer
from ros2_rl.nodes.conversions import reliable, status_values, to_ns
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import SEEDS, Row, declare
from ros2_rl.nodes.phases import follow_phases
from ros2_rl.policy.schedule import DriverSchedule
from ros2_rl.robots import BaseEstimate, load_robot
from ros2_rl.tasks import load_task
from ros2_rl.tasks.clock import STEP_NS, step_number
from ros2_rl.tasks.practice import PhaseSchedule, PracticeCommands
from ros2_rl.tasks.steering import Steering

_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot, as in config/robots"),
    ("task", "trot", "task whose commands are practised, as in config/tasks"),
    ("default_phase", TRAIN, "until a phase is announced: train or idle"),
    ("geofence_radius_m", 3.0, "distance from the start at which it is steered back, m", (0.5, 1000.0)),
    ("resample_s", 4.0, "time between two commands, s", (0.1, 600.0)),
    ("seed", 0, "seed of the practice commands", SEEDS),
)


class Practice(Node):
    """Answers ``odom`` with ``cmd_vel``, following ``learner/phase``."""

    def __init__(self) -> None:
        super().__init__("practice")
        self._value = declare(self, _PARAMETERS)
        default = self._value("default_phase")
        if default not in (TRAIN, IDLE):
            raise ConfigError(f"The parameter default_phase is '{default}': set it to '{TRAIN}' or '{IDLE}'.")
        self._phases = PhaseSchedule(default)
        ranges = load_task(self._value("task")).command_ranges
        self._steering, self._driver = Steering(ranges), DriverSchedule()
        self._practice = PracticeCommands(
            ranges,
            self._value("geofence_radius_m"),
            self._value("resample_s"),
            self._value("seed"),
        )
        self._answer = TwistStamped()
        self._answer.header.frame_id = load_robot(self._value("robot")).base_link
        self._stamp_ns, self._phase = -1, Phase(default, 0)
        self._answered = self._refused = 0
        self._connect()

    def _connect(self) -> None:
        self._commands = self.create_publisher(TwistStamped, "cmd_vel", reliable(1))
        self._loop = LoopDiagnostics(self, min_rate_hz=45.0, max_execution_ms=5.0)
        follow_phases(self, lambda: self._stamp_ns, self._on_phase)
        self.create_subscription(DiagnosticStatus, "supervisor/state", self._on_mode, reliable(100, True))
        self.create_subscription(TwistStamped, "teleop/cmd_vel", self._on_person, reliable(1))
        self.create_subscription(Odometry, "odom", self._on_odom, qos_profile_sensor_data, raw=True)
        offer(self, "practice/next_command", self._on_next)
        self.create_timer(1.0, self._each_second, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_next(self) -> tuple[bool, str]:
        """A person wants to see another command; an evaluation asks for the same of everybody."""
        if self._phase.name != TRAIN:
            return False, f"not while it is {self._phase.name}"
        self._practice.skip()
        return True, "on to the next command"

    def _on_phase(self, phase: Phase) -> None:
        self._phases.announce(phase)

    def _on_mode(self, msg: DiagnosticStatus) -> None:
        values = status_values(msg)
        self._driver.announce(int(values.get("human_from_ns", 0)), int(values.get("human_until_ns", 0)))

    def _on_person(self, msg: TwistStamped) -> None:
        twist = msg.twist
        self._steering.put(np.array((twist.linear.x, twist.linear.y, twist.angular.z)), self._stamp_ns)

    def _on_odom(self, raw: bytes) -> None:
        stamp_ns = header_stamp(raw)
        if stamp_ns % STEP_NS:
            return
        if stamp_ns != self._stamp_ns:
            begin = time.perf_counter()
            self._ask(stamp_ns, deserialize_message(raw, Odometry))
            self._loop.ran(stamp_ns, time.perf_counter() - begin)
        self._commands.publish(self._answer)

    def _ask(self, stamp_ns: int, odom: Odometry) -> None:
        """Write the command of this control step into the answer."""
        estimate = _base_estimate(odom)
        finite = np.isfinite(estimate.position).all() and np.isfinite(estimate.quat).all()
        self._refused += not finite
        self._stamp_ns, self._phase = stamp_ns, self._phases.at(stamp_ns)
        # Without a place the fence is off for this step; what is asked for stays the same.
        practised = self._practice.command(step_number(stamp_ns), self._phase, estimate if finite else None)
        command = self._steering.choose(stamp_ns, self._driver.at(stamp_ns), practised)
        self._answer.header.stamp = odom.header.stamp
        twist = self._answer.twist
        twist.linear.x, twist.linear.y, twist.angular.z = command.tolist()
        self._answered += 1

    def _each_second(self) -> None:
        latest = self._phases.latest or self._phase
        values = {
            "phase": self._phase.name,
            "start_ns": self._phase.start_ns,
            "announced": latest.name,
            "announced_start_ns": latest.start_ns,
            "commands": self._answered,
            "returning": self._practice.returning,
            "steered": self._steering.steered(self._stamp_ns),
            "odom_refused": self._refused,
        }
        level = DiagnosticStatus.OK if self._answered else DiagnosticStatus.STALE
        text = "practising" if self._answered else f"waits for {self.resolve_topic_name('odom')}"
        self._loop.tell(max(self._stamp_ns, 0), text, level, **values)


def _base_estimate(odom: Odometry) -> BaseEstimate:
    """The pose in ``odom``; practice needs no more of it."""
    place, turn = odom.pose.pose.position, odom.pose.pose.orientation
    zero = np.zeros(3)
    return BaseEstimate(
        stamp_ns=to_ns(odom.header.stamp),
        position=np.array((place.x, place.y, place.z)),
        quat=np.array((turn.w, turn.x, turn.y, turn.z)),
        lin_vel=zero,
        ang_vel=zero,
        contacts=np.zeros(0),
        lin_vel_cov=np.zeros((3, 3)),
    )


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl practice``."""
    return run(Practice, args)


if __name__ == "__main__":
    sys.exit(main())
