"""The simulated arm's topics, with the test in the place of supervisor and executor."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from node_rig import NodeRig
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import JointState

from ros2_rl.nodes.conversions import reliable, status_msg, to_ns
from ros2_rl.robots import load_robot

ROBOT = load_robot("arm")


class Table(NodeRig):
    """Hears the arm and the camera, and answers every state in lockstep."""

    def __init__(self) -> None:
        settings = {"robot": "arm", "task": "push", "lockstep": "true", "wait_for_topics": "[joint_commands]"}
        super().__init__(
            "sim_bridge", *(part for item in settings.items() for part in ("-p", ":=".join(item)))
        )
        self.poses: dict[str, dict[int, np.ndarray]] = {}
        self.q: dict[int, np.ndarray] = {}
        self.stamp_ns = -1
        sensor = qos_profile_sensor_data
        self.commands = self.node.create_publisher(JointState, "joint_commands", reliable(1))
        self.episodes = self.node.create_publisher(
            DiagnosticStatus, "task/episode", reliable(10, latched=True)
        )
        for topic in ("scene/goal", "scene/object", "ground_truth/tool", "ground_truth/goal"):
            self.node.create_subscription(PoseStamped, topic, self._keep(topic), sensor)
        self.node.create_subscription(JointState, "joint_states", self._on_state, sensor)

    def _keep(self, topic: str):
        kept = self.poses.setdefault(topic, {})

        def keep(msg: PoseStamped) -> None:
            assert msg.header.frame_id == "fr3_link0"
            point = msg.pose.position
            kept[to_ns(msg.header.stamp)] = np.array((point.x, point.y, point.z))

        return keep

    def _on_state(self, msg: JointState) -> None:
        self.stamp_ns = to_ns(msg.header.stamp)
        assert tuple(msg.name) == ROBOT.joints
        self.q[self.stamp_ns] = np.array(msg.position)
        answer = JointState(name=msg.name, position=ROBOT.stand_pose.tolist())
        answer.header.stamp, answer.header.frame_id = msg.header.stamp, "stand"
        self.commands.publish(answer)

    def reach(self, stamp_ns: int) -> None:
        self.wait(lambda: self.stamp_ns >= stamp_ns, f"the state of {stamp_ns}")


@pytest.fixture
def table():
    table = Table()
    yield table
    code, err = table.close()
    assert code == 0, err


def test_the_arm_says_what_an_arm_says_and_a_new_episode_lays_out_the_table(table):
    table.reach(200_000_000)
    goals, things = table.poses["scene/goal"], table.poses["scene/object"]
    assert set(table.q) - {min(table.q)} <= set(goals) and set(goals) == set(things)
    before = goals[200_000_000]
    table.wait(lambda: table.poses["ground_truth/goal"], "the truth")
    truth = list(table.poses["ground_truth/goal"].values())[-1]
    np.testing.assert_allclose(before, truth, atol=0.005)
    topics = dict(table.node.get_topic_names_and_types())
    assert "/imu/data" not in topics and "/foot_forces" not in topics and "/battery_state" not in topics
    layout_ns = table.stamp_ns + 300_000_000
    table.episodes.publish(status_msg("task/episode", "reset", number=4, layout_ns=layout_ns))
    table.reach(layout_ns + 100_000_000)
    np.testing.assert_allclose(goals[layout_ns - 20_000_000], before, atol=0.005)
    assert np.linalg.norm(goals[table.stamp_ns] - before) > 0.005
    np.testing.assert_allclose(table.q[table.stamp_ns], ROBOT.stand_pose, atol=0.005)
