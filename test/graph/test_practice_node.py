"""The practice node beside a fake estimator and learner, over DDS."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from node_rig import PATIENCE_S, NodeRig, spawn
from rclpy.qos import qos_profile_sensor_data

from ros2_rl.learning.phase import EVALUATE, IDLE, TRAIN, Phase
from ros2_rl.nodes.conversions import reliable, status_msg, to_ns, to_time
from ros2_rl.robots import BaseEstimate
from ros2_rl.tasks import load_task
from ros2_rl.tasks.clock import STEP_NS
from ros2_rl.tasks.practice import PracticeCommands

RANGES = load_task("trot").command_ranges
START_NS = 1000 * STEP_NS


class FakeRobot(NodeRig):
    """Publishes odometry and phases; keeps the commands by stamp."""

    def __init__(self, *arguments: str):
        super().__init__("practice", *arguments)
        self._odom = self.node.create_publisher(Odometry, "odom", qos_profile_sensor_data)
        self._phase = self.node.create_publisher(
            DiagnosticStatus, "learner/phase", reliable(10, latched=True)
        )
        self.commands: dict[int, list[TwistStamped]] = {}
        self.node.create_subscription(TwistStamped, "cmd_vel", self._on_command, reliable(10))
        self.wait_for_readers("odom", "learner/phase")
        self.wait_for_writers("cmd_vel")

    def odom(self, stamp_ns: int, x: float = 0.0) -> None:
        msg = Odometry()
        msg.header.stamp, msg.pose.pose.position.x, msg.pose.pose.orientation.w = to_time(stamp_ns), x, 1.0
        self._odom.publish(msg)

    def announce(self, phase: Phase) -> None:
        self._phase.publish(status_msg("learner", phase.name, **phase.to_values()))

    def ask(self, stamp_ns: int, x: float = 0.0) -> np.ndarray:
        """The command that answers the odometry of a stamp."""
        self.odom(stamp_ns, x)
        self.wait(lambda: stamp_ns in self.commands, "cmd_vel", lambda: self.odom(stamp_ns, x))
        twist = self.commands[stamp_ns][-1].twist
        return np.array((twist.linear.x, twist.linear.y, twist.angular.z))

    def _on_command(self, msg: TwistStamped) -> None:
        self.commands.setdefault(to_ns(msg.header.stamp), []).append(msg)


@pytest.fixture
def robot(request: pytest.FixtureRequest):
    robot = FakeRobot(*request.param)
    yield robot
    code, err = robot.close()
    assert code == 0, err
    assert "Traceback" not in err


def expected(stamp_ns: int, phase: Phase, x: float = 0.0, seed: int = 5) -> np.ndarray:
    zero, level = np.zeros(3), np.array((1.0, 0.0, 0.0, 0.0))
    place = BaseEstimate(0, np.array((x, 0.0, 0.0)), level, zero, zero, np.zeros(4), np.eye(3))
    practice = PracticeCommands(RANGES, seed=seed)
    practice.command(0, Phase(TRAIN, 0), BaseEstimate(0, zero, level, zero, zero, np.zeros(4), np.eye(3)))
    return practice.command(stamp_ns // STEP_NS, phase, place)


@pytest.mark.parametrize("robot", [("-p", "seed:=5")], indirect=True)
def test_it_practises_unasked_and_turns_back_at_the_fence(robot: FakeRobot) -> None:
    training = Phase(TRAIN, START_NS)
    np.testing.assert_array_equal(robot.ask(START_NS), expected(START_NS, training))
    first = robot.commands[START_NS][0]
    assert first.header.frame_id == "base_link"

    seen = len(robot.commands[START_NS])
    robot.odom(START_NS)
    robot.wait(lambda: len(robot.commands[START_NS]) > seen, "the same answer", lambda: robot.odom(START_NS))
    assert robot.commands[START_NS][-1] == first

    robot.odom(START_NS + STEP_NS // 4)
    far = START_NS + STEP_NS
    np.testing.assert_array_equal(robot.ask(far, 4.0), expected(far, training, 4.0))
    assert START_NS + STEP_NS // 4 not in robot.commands, "not a control step"
    robot.wait(lambda: robot.diagnostics[2].get("returning") == "True", "diagnostics")


@pytest.mark.parametrize("robot", [("-p", "seed:=5", "-p", "default_phase:=idle")], indirect=True)
def test_phases_begin_at_their_stamps(robot: FakeRobot) -> None:
    phases = [
        Phase(TRAIN, START_NS, seed=2),
        Phase(EVALUATE, START_NS + 10 * STEP_NS, seed=7, episodes=3),
        Phase(IDLE, START_NS + 20 * STEP_NS),
    ]
    for phase in phases:
        robot.announce(phase)
    last = str(phases[-1].start_ns)
    robot.wait(lambda: robot.diagnostics[2].get("announced_start_ns") == last, "the phases")
    assert not robot.ask(START_NS - STEP_NS).any()
    for phase in phases:
        for stamp in (phase.start_ns, phase.start_ns + 9 * STEP_NS):
            np.testing.assert_array_equal(robot.ask(stamp), expected(stamp, phase))
    assert all(len(set(map(str, answers))) == 1 for answers in robot.commands.values())


def test_a_person_asks_for_the_next_command() -> None:
    robot = FakeRobot("-p", "seed:=5")
    present = robot.ask(START_NS)
    assert robot.call("practice/next_command").success
    assert (robot.ask(START_NS + STEP_NS) != present).any()
    robot.announce(Phase(EVALUATE, START_NS + 2 * STEP_NS, seed=7, episodes=3))
    robot.wait(lambda: robot.diagnostics[2].get("announced") == EVALUATE, "the phase")
    robot.ask(START_NS + 2 * STEP_NS)
    assert not robot.call("practice/next_command").success, "an evaluation is the same for everybody"
    assert robot.close()[0] == 0


def test_a_person_steers_and_practice_goes_on_when_they_stop() -> None:
    robot = FakeRobot("-p", "seed:=5")
    person = robot.node.create_publisher(TwistStamped, "teleop/cmd_vel", reliable(1))
    robot.wait_for_readers("teleop/cmd_vel")
    robot.ask(START_NS)
    wanted = TwistStamped()
    wanted.twist.linear.x = 0.25
    person.publish(wanted)
    robot.wait(lambda: robot.diagnostics[2].get("steered") == "True", "diagnostics")
    np.testing.assert_array_equal(robot.ask(START_NS + STEP_NS), (0.25, 0.0, 0.0))
    later = START_NS + 50 * STEP_NS
    np.testing.assert_array_equal(robot.ask(later), expected(later, Phase(TRAIN, START_NS)))
    assert robot.close()[0] == 0


def test_a_phase_that_has_begun_when_it_is_heard_is_followed_and_told_about() -> None:
    robot = FakeRobot("-p", "seed:=5")
    robot.ask(START_NS + 50 * STEP_NS)
    late = Phase(EVALUATE, START_NS, seed=7, episodes=3)
    robot.announce(late)
    last = str(late.start_ns)
    robot.wait(lambda: robot.diagnostics[2].get("announced_start_ns") == last, "the phase")
    stamp = START_NS + 51 * STEP_NS
    np.testing.assert_array_equal(robot.ask(stamp), expected(stamp, late))
    code, err = robot.close()
    assert code == 0 and "'evaluate' was heard 1.00 s after its start" in err


def test_a_wrong_parameter_is_told_in_one_sentence() -> None:
    process = spawn("practice", "-p", "default_phase:=dance")
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert err.strip() == "The parameter default_phase is 'dance': set it to 'train' or 'idle'."
