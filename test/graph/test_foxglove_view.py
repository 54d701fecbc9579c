"""The live view for Foxglove, seen by a plain WebSocket client."""

import json
import socket
import struct

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from node_rig import NodeRig, spawn
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from websockets.sync.client import ClientConnection, connect

from ros2_rl.nodes.conversions import reliable, status_msg, to_time
from ros2_rl.robots import load_robot

ROBOT = load_robot("go2")
PROTOCOL = "foxglove.sdk.v1"
_MESSAGE_DATA = 1


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Client:
    """Subscribes to channels by topic and sorts what comes."""

    def __init__(self, connection: ClientConnection):
        self._connection = connection
        self.channels: dict[str, dict] = {}
        self._topics: dict[int, str] = {}
        self.messages: dict[str, list[bytes]] = {}

    def subscribe(self, topic: str) -> None:
        number = len(self._topics) + 1
        self._topics[number] = topic
        wanted = [{"id": number, "channelId": self.channels[topic]["id"]}]
        self._connection.send(json.dumps({"op": "subscribe", "subscriptions": wanted}))

    def take(self) -> None:
        """Take whatever is there."""
        while True:
            try:
                data = self._connection.recv(timeout=0.01)
            except TimeoutError:
                return
            if isinstance(data, str):
                said = json.loads(data)
                self.channels |= {channel["topic"]: channel for channel in said.get("channels", [])}
            elif data[0] == _MESSAGE_DATA:
                (number,) = struct.unpack_from("<I", data, 1)
                self.messages.setdefault(self._topics[number], []).append(data[13:])


def test_messages_definitions_and_frames_reach_a_client(port):
    rig = NodeRig("foxglove_view", "-p", f"port:={port}")
    joints = rig.node.create_publisher(JointState, "joint_states", qos_profile_sensor_data)
    odom = rig.node.create_publisher(Odometry, "odom", qos_profile_sensor_data)
    modes = rig.node.create_publisher(DiagnosticStatus, "supervisor/state", reliable(100, latched=True))
    modes.publish(status_msg("supervisor", "POLICY"))
    rig.wait_for_readers("joint_states", "odom", "supervisor/state")
    rig.wait(lambda: rig.diagnostics[1], "diagnostics")
    state = JointState(name=list(ROBOT.joints), position=ROBOT.stand_pose.tolist())
    place = Odometry(child_frame_id=ROBOT.base_link)
    place.header.frame_id, place.pose.pose.position.x, place.pose.pose.orientation.w = "odom", 2.0, 1.0

    def walk() -> None:
        state.header.stamp = place.header.stamp = to_time(5_000_000_000)
        joints.publish(state)
        odom.publish(place)

    with connect(f"ws://127.0.0.1:{port}", subprotocols=[PROTOCOL], max_size=None) as connection:
        client = Client(connection)

        def have(*topics: str) -> bool:
            walk()
            client.take()
            return all(client.messages.get(topic) for topic in topics)

        rig.wait(lambda: have() and "/robot_description" in client.channels, "the channels")
        channel = client.channels["/joint_states"]
        assert channel["encoding"] == "cdr" and channel["schemaName"] == "sensor_msgs/msg/JointState"
        assert "MSG: std_msgs/Header" in channel["schema"]
        assert "/policy/adapter" not in client.channels
        wanted = ("/joint_states", "/tf", "/supervisor/state", "/robot_description")
        for topic in wanted:
            client.subscribe(topic)
        rig.wait(lambda: have(*wanted), "a message of each topic")
        rig.wait(lambda: have() or any(b"odom" in data for data in client.messages["/tf"]), "the base")

    heard = deserialize_message(client.messages["/joint_states"][-1], JointState)
    np.testing.assert_array_equal(heard.position, state.position)
    mode = deserialize_message(client.messages["/supervisor/state"][-1], DiagnosticStatus)
    assert mode.message == "POLICY"  # said before anybody looked
    frames = b"".join(client.messages["/tf"])
    assert all(f.encode() in frames for f in (*ROBOT.feet, ROBOT.base_link, "odom"))
    assert b"<robot" in client.messages["/robot_description"][0]
    code, err = rig.close()
    assert code == 0 and "Traceback" not in err, err


def test_a_port_that_is_taken_is_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = spawn("foxglove_view", "-p", f"port:={taken.getsockname()[1]}")
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "The live view cannot listen on 127.0.0.1" in err, err
    assert "Traceback" not in err
