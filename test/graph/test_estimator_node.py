"""The estimator's node beside a fake robot that stands still, over DDS."""

from array import array

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from node_rig import PATIENCE_S, NodeRig, spawn
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from ros2_rl.nodes.conversions import to_ns, to_time
from ros2_rl.robots import NS_PER_S, load_robot

ROBOT = load_robot("go2")
STATE_NS, PERIOD_NS = 5_000_000, 20_000_000
FORCES = {"FL_foot": 60.0, "FR_foot": 2.0, "RL_foot": 40.0, "RR_foot": 0.0}
SENSOR = qos_profile_sensor_data


class FakeRobot(NodeRig):
    """Publishes a standing robot; keeps what the estimator says, in the order of arrival."""

    def __init__(self, *arguments: str, stamped: bool = True):
        super().__init__("state_estimator", *arguments)
        self._stamped = stamped
        self._imu = self.node.create_publisher(Imu, "imu/data", SENSOR)
        self._feet = self.node.create_publisher(Float32MultiArray, "foot_forces", SENSOR)
        self._joints = self.node.create_publisher(JointState, "joint_states", SENSOR)
        self.odom: dict[int, list[Odometry]] = {}
        self.contacts: dict[int, list[float]] = {}
        self.node.create_subscription(Odometry, "odom", self._on_odom, SENSOR)
        self.node.create_subscription(Float32MultiArray, "contacts", self._on_contacts, SENSOR)
        self.wait_for_readers("joint_states", "imu/data", "foot_forces")
        self.wait_for_writers("odom", "contacts")

    def state(self, stamp_ns: int, feet: bool = True, **spoilt: float) -> None:
        """The robot's state, joints and feet in another order than the library's."""
        imu = Imu()
        imu.header.stamp, imu.orientation.w, imu.linear_acceleration.z = to_time(stamp_ns), 1.0, 9.81
        imu.angular_velocity.x = spoilt.get("gyro", 0.0)
        self._imu.publish(imu)
        if feet:
            self._publish_feet(stamp_ns)
        joints = JointState(name=list(reversed(ROBOT.joints)), position=ROBOT.default_pose[::-1].tolist())
        joints.header.stamp = imu.header.stamp
        joints.velocity = joints.effort = [0.0] * 12
        self._joints.publish(joints)

    def stand(self, since_ns: int, count: int) -> int:
        """Some states, each control step answered before the next one; the last stamp."""
        for stamp in range(since_ns, since_ns + count * STATE_NS, STATE_NS):
            self.state(stamp)
            if stamp % PERIOD_NS == 0:
                again = lambda stamp=stamp: self.state(stamp)  # noqa: E731
                self.wait(lambda stamp=stamp: self.answered(stamp), f"odom of {stamp}", again)
        return since_ns + (count - 1) * STATE_NS

    def answered(self, stamp_ns: int) -> bool:
        return stamp_ns in self.odom and (stamp_ns in self.contacts)

    def _publish_feet(self, stamp_ns: int) -> None:
        names = list(reversed(ROBOT.feet))
        sec, nanosec = divmod(stamp_ns, NS_PER_S)
        sizes = [(name, 1) for name in names] + [("sec", sec), ("nanosec", nanosec)] * self._stamped
        # A sensor that repeats itself to the last bit would be taken for a broken one.
        jitter = np.random.default_rng(stamp_ns).random(len(names))
        msg = Float32MultiArray(data=array("f", [FORCES[name] for name in names] + jitter))
        msg.layout.dim = [MultiArrayDimension(label=label, size=size) for label, size in sizes]
        self._feet.publish(msg)

    def _on_odom(self, msg: Odometry) -> None:
        self.odom.setdefault(to_ns(msg.header.stamp), []).append(msg)

    def _on_contacts(self, msg: Float32MultiArray) -> None:
        dims = [(dim.label, dim.size) for dim in msg.layout.dim]
        assert [label for label, _ in dims] == [*ROBOT.feet, "sec", "nanosec"]
        self.contacts[dims[-2][1] * NS_PER_S + dims[-1][1]] = list(msg.data)


@pytest.fixture
def robot(request: pytest.FixtureRequest):
    arguments, stamped = request.param
    robot = FakeRobot(*arguments, stamped=stamped)
    yield robot
    code, err = robot.close()
    assert code == 0, err
    assert "Traceback" not in err


@pytest.mark.parametrize("robot", [((), True)], indirect=True)
def test_a_standing_robot_is_seen_to_stand(robot: FakeRobot) -> None:
    last = robot.stand(PERIOD_NS, 101)
    assert sorted(robot.odom) == sorted(robot.contacts) == list(range(PERIOD_NS, last + 1, PERIOD_NS))
    odom = robot.odom[last][-1]
    assert (odom.header.frame_id, odom.child_frame_id) == ("odom", ROBOT.base_link)
    speed, place = odom.twist.twist.linear, odom.pose.pose.position
    assert max(map(abs, (speed.x, speed.y, speed.z))) < 0.02
    assert place.z == pytest.approx(ROBOT.stand_height, abs=0.02)
    np.testing.assert_allclose(robot.contacts[last], [1.0, 0.0, 1.0, 0.0], atol=0.05)
    twist_cov, pose_cov = (np.reshape(c.covariance, (6, 6)) for c in (odom.twist, odom.pose))
    assert (np.linalg.eigvalsh(twist_cov) > 0).all() and (np.diag(pose_cov)[2:] > 0).all()
    robot.wait(lambda: robot.diagnostics[0] == DiagnosticStatus.OK, "diagnostics", lambda: robot.state(last))
    assert robot.diagnostics[2]["fault"] == "none"


@pytest.mark.parametrize("robot", [((), True)], indirect=True)
def test_repeated_late_and_spoilt_states(robot: FakeRobot) -> None:
    last = robot.stand(PERIOD_NS, 5)
    first, seen = robot.odom[last][0], len(robot.odom[last])
    robot.state(last)
    robot.wait(
        lambda: len(robot.odom[last]) > seen, "the answer to a repeated state", lambda: robot.state(last)
    )
    assert robot.odom[last][-1] == first

    late = last + PERIOD_NS
    robot.state(late, feet=False)
    robot.executor.spin_once(timeout_sec=0.3)
    assert late not in robot.odom, "the feet are waited for"
    robot._publish_feet(late)
    robot.wait(lambda: robot.answered(late), "odom once the feet have come", lambda: robot.state(late))

    bad, after = late + PERIOD_NS, late + 2 * PERIOD_NS
    robot.state(bad, gyro=float("nan"))
    robot.state(after)
    robot.wait(lambda: robot.answered(after), "odom after a spoilt state", lambda: robot.state(after))
    assert bad not in robot.odom
    spoil = lambda: robot.state(after + STATE_NS, gyro=float("nan"))  # noqa: E731
    robot.wait(lambda: robot.diagnostics[0] == DiagnosticStatus.ERROR, "diagnostics of the fault", spoil)
    assert "gyro" in robot.diagnostics[1]


@pytest.mark.parametrize("robot", [(("-p", "publish_rate_hz:=200.0"), False)], indirect=True)
def test_every_state_is_answered_at_that_rate_and_forces_need_no_stamp(robot: FakeRobot) -> None:
    for stamp in range(PERIOD_NS, PERIOD_NS + 4 * STATE_NS, STATE_NS):
        again = lambda stamp=stamp: robot.state(stamp)  # noqa: E731
        again()
        robot.wait(lambda stamp=stamp: robot.answered(stamp), f"odom of {stamp}", again)
    np.testing.assert_allclose(robot.contacts[stamp], [1.0, 0.0, 1.0, 0.0], atol=0.05)


@pytest.mark.parametrize("name", ["joint_states", "imu/data", "foot_forces"])
def test_what_no_robot_has_is_no_input(name: str) -> None:
    process = spawn("state_estimator", "-r", f"{name}:=ground_truth/odom")
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert f"input {name} is remapped to /ground_truth/odom" in err
    assert "Traceback" not in err
