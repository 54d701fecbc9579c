"""Node ``leg_operator``: a scripted person beside a robot with legs, on a person's topics and services."""

import sys
import time

from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from ros2_rl.cdr import header_stamp
from ros2_rl.learning.phase import IDLE, TRAIN
from ros2_rl.nodes._main import run
from ros2_rl.nodes.conversions import reliable, status_values, to_time
from ros2_rl.nodes.loop_diagnostics import LoopDiagnostics
from ros2_rl.nodes.parameters import SEEDS, Row, declare
from ros2_rl.nodes.person_topics import PersonTopics
from ros2_rl.nodes.phases import follow_phases
from ros2_rl.policy.schedule import DriverSchedule
from ros2_rl.robots import load_robot
from ros2_rl.tasks import load_task
from ros2_rl.tasks.clock import STEP_NS
from ros2_rl.tasks.practice import PhaseSchedule
from ros2_rl.teleop.scripted import ScriptedDriver

_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot in config/robots"),
    ("task", "trot", "task whose velocities are asked for, in config/tasks"),
    ("seed", 0, "seed of what it asks for", SEEDS),
)


class LegOperator(Node):
    """Publishes ``teleop/cmd_vel`` and asks for what a person asks for."""

    def __init__(self) -> None:
        super().__init__("leg_operator")
        value = declare(self, _PARAMETERS)
        self._person = ScriptedDriver(load_task(value("task")).command_ranges, value("seed"))
        self._phases, self._driver = PhaseSchedule(IDLE), DriverSchedule()
        self._stamp_ns, self._overrides = 0, 0
        self._hands = PersonTopics(self, load_robot(value("robot")).base_link)
        self._loop = LoopDiagnostics(self, min_rate_hz=45.0, max_execution_ms=5.0)
        follow_phases(self, lambda: self._stamp_ns, self._phases.announce)
        self.create_subscription(
            DiagnosticStatus, "supervisor/state", self._on_supervisor, reliable(100, True)
        )
        self.create_subscription(Odometry, "odom", self._on_odom, qos_profile_sensor_data, raw=True)
        self.create_timer(1.0, self._each_second, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_supervisor(self, msg: DiagnosticStatus) -> None:
        values = status_values(msg)
        self._overrides = int(values.get("overrides", 0))
        self._driver.announce(int(values.get("human_from_ns", 0)), int(values.get("human_until_ns", 0)))

    def _on_odom(self, raw: bytes) -> None:
        stamp_ns = header_stamp(raw)
        if stamp_ns % STEP_NS or stamp_ns <= self._stamp_ns:
            return
        self._stamp_ns, begin = stamp_ns, time.perf_counter()
        trains, driving = self._phases.at(stamp_ns).name == TRAIN, self._driver.at(stamp_ns)
        intent = self._person.watch(stamp_ns, trains, driving, self._overrides)
        self._hands.follow(intent, to_time(stamp_ns))
        self._loop.ran(stamp_ns, time.perf_counter() - begin)

    def _each_second(self) -> None:
        person = self._person
        text = "drives" if self._driver.at(self._stamp_ns) else "watches"
        self._loop.tell(
            self._stamp_ns, f"scripted: {text}", taken_over=person.taken_over, judged=person.judged
        )


def main(args: list[str] | None = None) -> int:
    """Entry point of ``ros2 run ros2_rl leg_operator``."""
    return run(LegOperator, args)


if __name__ == "__main__":
    sys.exit(main())
