"""A simulated Go2 as a process and its driver as another, each test in domains of its own."""

import json
import signal
from collections.abc import Iterator

import numpy as np
import pytest
from node_rig import PATIENCE_S, NodeRig, spawn
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import BatteryState, Imu, JointState, Joy
from std_msgs.msg import Float32MultiArray
from std_srvs.srv import Trigger

from ros2_rl.domain import lease_domain
from ros2_rl.nodes.conversions import reliable, status_values, to_ns
from ros2_rl.robots import load_robot
from ros2_rl.unitree import services
from ros2_rl.unitree.dds import Link
from ros2_rl.unitree.idl import LowCmd_, LowState_

ROBOT = load_robot("go2")


class Robot:
    """A simulated Go2 as a process, and what a program with Unitree's SDK could ask of it."""

    def __init__(self, domain: int, *parameters: str):
        words = [word for p in (f"domain:={domain}", *parameters) for word in ("-p", p)]
        self.process = spawn("go2_sim", *words)
        self.link = Link(domain, "lo")
        self.switcher = services.Client(self.link, services.MOTION_SWITCHER, PATIENCE_S)
        self.sport = services.Client(self.link, services.SPORT, PATIENCE_S)
        assert self.switcher(services.API_VERSION)[0] == 0

    def command_writer(self):
        """A writer of rt/lowcmd."""
        return self.link.writer("rt/lowcmd", LowCmd_)

    def state_reader(self):
        """A reader of rt/lowstate."""
        return self.link.reader("rt/lowstate", LowState_)

    @property
    def mode(self) -> str:
        return json.loads(self.switcher(services.CHECK_MODE)[1])["name"]

    def close(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0 and "Traceback" not in errors, errors


class DriverRig(NodeRig):
    """The driver, with the test in the place of the supervisor."""

    def __init__(self, domain: int, *parameters: str):
        words = [word for p in (f"domain:={domain}", *parameters) for word in ("-p", p)]
        self.heard: dict[str, list[int]] = {}
        self.ended: tuple[int, str] | None = None
        self.q, self.gains, self.target = np.zeros(12), "", ROBOT.stand_pose
        self.joy, self.estops = Joy(), 0
        self._values: dict[str, dict[str, str]] = {}
        super().__init__("go2_driver", *words)
        sensor, node = qos_profile_sensor_data, self.node
        self.commands = node.create_publisher(JointState, "joint_commands", reliable(1))
        for kind, topic in ((Imu, "imu/data"), (BatteryState, "battery_state"), (Joy, "joy")):
            node.create_subscription(kind, topic, lambda msg, topic=topic: self._note(topic, msg), sensor)
        node.create_subscription(Float32MultiArray, "foot_forces", self._on_feet, sensor)
        node.create_subscription(JointState, "joint_states", self._on_state, sensor)
        node.create_service(Trigger, "supervisor/estop", self._on_estop)

    def close(self) -> tuple[int, str]:
        self.ended = self.ended or super().close()
        return self.ended

    @property
    def state(self) -> str:
        return self.diagnostics[2].get("state", "")

    def of(self, name: str) -> dict[str, str]:
        """Values that a node last said on ``diagnostics``; waits for the first."""
        self.wait(lambda: name in self._values, f"diagnostics of {name}")
        return self._values[name]

    def _on_diagnostics(self, msg) -> None:
        self._values[msg.status[0].name] = status_values(msg.status[0])
        if msg.status[0].name == "go2_driver":
            super()._on_diagnostics(msg)

    def _note(self, topic: str, msg) -> None:
        self.heard.setdefault(topic, []).append(to_ns(msg.header.stamp))
        self.joy = msg if isinstance(msg, Joy) else self.joy

    def _on_feet(self, msg: Float32MultiArray) -> None:
        sizes = {dim.label: dim.size for dim in msg.layout.dim}
        assert list(sizes)[:4] == list(ROBOT.feet)
        self.heard.setdefault("foot_forces", []).append(sizes["sec"] * 1_000_000_000 + sizes["nanosec"])

    def _on_state(self, msg: JointState) -> None:
        self._note("joint_states", msg)
        assert tuple(msg.name) == ROBOT.joints
        self.q = np.asarray(msg.position)
        if self.gains:
            answer = JointState(name=list(reversed(ROBOT.joints)), position=self.target[::-1].tolist())
            answer.header.stamp, answer.header.frame_id = msg.header.stamp, self.gains
            self.commands.publish(answer)

    def _on_estop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.estops += 1
        return response

    def call(self, name: str) -> Trigger.Response:
        client = self.node.create_client(Trigger, name)
        self.wait(client.service_is_ready, name)
        future = client.call_async(Trigger.Request())
        self.wait(future.done, f"an answer of {name}")
        return future.result()


@pytest.fixture
def wire() -> Iterator[int]:
    """A DDS domain for the robot's own protocol."""
    with lease_domain() as domain:
        yield domain


@pytest.fixture
def robot(wire: int, request: pytest.FixtureRequest) -> Iterator[Robot]:
    made = Robot(wire, *getattr(request, "param", ()))
    yield made
    made.close()


@pytest.fixture
def rig(robot: Robot, wire: int) -> Iterator[DriverRig]:
    made = DriverRig(wire)
    yield made
    made.close()
