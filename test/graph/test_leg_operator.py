"""The scripted person beside a robot with legs, over DDS: what it says and asks, and when it does not."""

import time
from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from node_rig import PATIENCE_S, NodeRig
from rclpy.qos import qos_profile_sensor_data
from std_srvs.srv import Trigger

from ros2_rl.learning.phase import EVALUATE, TRAIN, Phase
from ros2_rl.nodes.conversions import reliable, status_msg, to_ns, to_time
from ros2_rl.robots import NS_PER_S
from ros2_rl.tasks import load_task


class FakeRobot(NodeRig):
    """Odometry at whole seconds of robot time, the learner's phases and a supervisor that counts rescues."""

    def __init__(self) -> None:
        super().__init__("leg_operator", "-p", "seed:=3")
        node, latched = self.node, reliable(10, latched=True)
        self._odom = node.create_publisher(Odometry, "odom", qos_profile_sensor_data)
        self._phase = node.create_publisher(DiagnosticStatus, "learner/phase", latched)
        self._state = node.create_publisher(DiagnosticStatus, "supervisor/state", latched)
        self.commands: list[TwistStamped] = []
        self.asked: list[str] = []
        node.create_subscription(TwistStamped, "teleop/cmd_vel", self.commands.append, reliable(10))
        for name in ("supervisor/take_over", "supervisor/give_back", "learner/judge_failure"):
            node.create_service(Trigger, name, self._service(name))
        self.seconds = 0
        self.wait_for_readers("odom", "learner/phase", "supervisor/state")
        self.wait_for_writers("teleop/cmd_vel")

    def announce(self, phase: Phase) -> None:
        self._phase.publish(status_msg("learner", phase.name, **phase.to_values()))

    def supervise(self, overrides: int, human_from_ns: int = 0) -> None:
        values = {"overrides": overrides, "human_from_ns": human_from_ns, "human_until_ns": 0}
        self._state.publish(status_msg("supervisor", "POLICY", DiagnosticStatus.OK, **values))

    def walk(self, until: Callable[[], object], what: str) -> None:
        """One second after the other, until something is so."""
        end = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < end, f"{what} did not come"
            self.seconds += 1
            msg = Odometry()
            msg.header.stamp = to_time(self.seconds * NS_PER_S)
            self._odom.publish(msg)
            for _ in range(4):
                self.executor.spin_once(timeout_sec=0.005)

    def _service(self, name: str):
        def handle(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self.asked.append(name)
            response.success, response.message = True, "so be it"
            return response

        return handle


def test_it_steers_judges_and_takes_over_but_never_in_an_evaluation():
    robot = FakeRobot()
    low, high = np.array(list(load_task("trot").command_ranges.values())).T
    robot.supervise(overrides=0)
    robot.announce(Phase(TRAIN, NS_PER_S))
    robot.walk(lambda: robot.commands, "a velocity while it steers")
    assert robot.seconds >= 120 and robot.commands[0].header.frame_id == "base_link"
    assert to_ns(robot.commands[0].header.stamp) % NS_PER_S == 0
    twist = robot.commands[0].twist
    asked = np.array((twist.linear.x, twist.linear.y, twist.angular.z))
    assert (low <= asked).all() and (asked <= high).all() and not robot.asked

    robot.supervise(overrides=1)
    robot.walk(lambda: robot.asked, "a judgement")
    assert robot.asked == ["learner/judge_failure"]
    robot.walk(lambda: len(robot.asked) > 1, "taking over")
    assert robot.asked[1] == "supervisor/take_over" and robot.seconds >= 300

    robot.announce(Phase(EVALUATE, (robot.seconds + 20) * NS_PER_S, episodes=3))
    robot.walk(lambda end=robot.seconds + 25: robot.seconds >= end, "the evaluation")
    asked, said = len(robot.asked), len(robot.commands)
    robot.walk(lambda end=robot.seconds + 30: robot.seconds >= end, "the end of the evaluation")
    assert (len(robot.asked), len(robot.commands)) == (asked, said)
    code, err = robot.close()
    assert code == 0 and "Traceback" not in err
