"""The recorder in a graph: everything is kept, whatever happens to its process."""

import os
import signal
import time

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from node_rig import PATIENCE_S, NodeRig, spawn
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from recording_rig import STATE_NS, feet, imu, joints, supervisor
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float32MultiArray, String
from std_srvs.srv import Trigger

from ros2_rl.nodes.conversions import reliable
from ros2_rl.recording.reader import Bag


class Recorded(NodeRig):
    """A recorder, and the writers of a state and of ``supervisor/state`` beside it."""

    def __init__(self, *arguments: str):
        super().__init__("recorder", "-p", "use_sim_time:=true", *arguments)
        sensor = qos_profile_sensor_data
        self.imu = self.node.create_publisher(Imu, "imu/data", sensor)
        self.feet = self.node.create_publisher(Float32MultiArray, "foot_forces", sensor)
        self.joints = self.node.create_publisher(JointState, "joint_states", sensor)
        self.mode = self.node.create_publisher(DiagnosticStatus, "supervisor/state", reliable(100, True))
        self.told: list[DiagnosticStatus] = []
        latched = reliable(10, latched=True)
        self.node.create_subscription(DiagnosticStatus, "recorder/state", self.told.append, latched)
        self.wait_for_readers("imu/data", "foot_forces", "joint_states", "supervisor/state")
        self.wait(lambda: self.told, "recorder/state")
        self.sent: list[bytes] = []

    def show(self, count: int) -> None:
        """Publish the next states."""
        for _ in range(count):
            stamp = (len(self.sent) + 1) * STATE_NS
            self.imu.publish(imu(stamp))
            self.feet.publish(feet(stamp))
            self.sent.append(joints(stamp))
            self.joints.publish(self.sent[-1])
            if count > 100 and len(self.sent) % 50 == 0:
                self.executor.spin_once(timeout_sec=0.01)

    def recorded(self, folder: object) -> int:
        """Messages of joint_states that are safe on the disk."""
        try:
            return Bag(folder).counts["/joint_states"]
        except Exception:
            return 0


def test_everything_is_kept_as_it_was_sent(tmp_path):
    rig = Recorded("-p", f"folder:={tmp_path / 'bag'}")
    try:
        late = rig.node.create_publisher(String, "somebody/else", QoSProfile(depth=5))
        rig.wait_for_readers("somebody/else")
        late.publish(String(data="hello"))
        rig.show(300)
        rig.wait(lambda: rig.recorded(tmp_path) == 300, "300 states in the record")
        rig.wait(lambda: rig.diagnostics[2].get("lost") == "0", "diagnostics")
    finally:
        status, err = rig.close()
    assert (status, err.count("Traceback")) == (0, 0), err
    bag = Bag(tmp_path)
    assert bag.damage == "" and bag.notes["recorder"]["lost"] == "0"
    assert [message.data for message in bag.messages(["/joint_states"])] == rig.sent
    topics = [message.topic for message in bag.messages(["/joint_states", "/imu/data", "/foot_forces"])]
    assert topics == ["/imu/data", "/foot_forces", "/joint_states"] * 300
    assert bag.topics["/somebody/else"].type == "std_msgs/msg/String" and bag.counts["/somebody/else"] == 1
    assert [m.log_ns for m in bag.messages(["/joint_states"])] == [(i + 1) * STATE_NS for i in range(300)]


def test_a_kill_costs_at_most_the_last_second(tmp_path):
    rig = Recorded("-p", f"folder:={tmp_path / 'bag'}")
    try:
        rig.show(200)
        rig.wait(lambda: rig.recorded(tmp_path) == 200, "200 states in the record")
        rig.show(20)
        rig.process.send_signal(signal.SIGKILL)
        rig.process.wait(PATIENCE_S)
    finally:
        rig.close()
    bag = Bag(tmp_path)
    read = [message.data for message in bag.messages(["/joint_states"])]
    assert len(read) >= 200 and read == rig.sent[: len(read)]
    assert "not whole" in bag.damage and bag.files["policy.onnx"]


def test_an_event_is_kept_with_the_seconds_before_it(tmp_path):
    spans = ("-p", "before_s:=1.0", "-p", "after_s:=0.5")
    rig = Recorded("-p", f"folder:={tmp_path}", "-p", "mode:=events", *spans)
    try:
        snapshot = rig.node.create_client(Trigger, "recorder/snapshot")
        rig.wait(snapshot.service_is_ready, "recorder/snapshot")
        rig.show(150)
        rig.mode.publish(supervisor("RECOVERY", 150 * STATE_NS))
        rig.wait(lambda: list(tmp_path.glob("*recovery/*.mcap")), "the record of the event")
        rig.show(60)
        rig.wait(lambda: list(tmp_path.glob("*recovery/metadata.yaml")), "the end of that record")
        answer = snapshot.call_async(Trigger.Request())
        rig.wait(answer.done, "an answer")
        assert answer.result().success and "snapshot" in answer.result().message
    finally:
        status, err = rig.close()
    assert status == 0, err
    first, second = (Bag(folder) for folder in sorted(tmp_path.iterdir()))
    assert 140 <= first.counts["/joint_states"] <= 161 and first.damage == second.damage == ""
    assert second.counts["/joint_states"] <= 101


def test_the_record_ends_at_its_bound_and_says_so(tmp_path):
    rig = Recorded("-p", f"folder:={tmp_path / 'bag'}", "-p", "max_mib:=1.0")
    try:
        end = time.monotonic() + PATIENCE_S
        while not any("ended" in status.message for status in rig.told):
            assert time.monotonic() < end, "the bound was never reached"
            rig.show(200)
            rig.executor.spin_once(timeout_sec=0.05)
    finally:
        status, err = rig.close()
    assert status == 0, err
    bag = Bag(tmp_path)
    assert bag.damage == "" and "reached its 1 MiB" in bag.notes["recorder"]["ended"]
    assert "Recording has ended" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-p", "mode:=some"), "There is no mode 'some'"),
        (("-p", "policy:=nowhere.onnx"), "nowhere.onnx cannot be read"),
        (("-p", "max_mib:=9999999.0"), "make room or lower record_mib"),
    ],
)
def test_a_refusal_is_one_sentence(tmp_path, arguments, words):
    process = spawn("recorder", "-p", f"folder:={tmp_path / 'bag'}", *arguments)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and words in err and "Traceback" not in err
    assert not os.path.exists(tmp_path / "bag")
