"""The topics of a simulated arm at its table: what its driver and the camera over the table would publish."""

from array import array

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, MultiArrayDimension

from ros2_rl.nodes.conversions import reliable, status_values, to_time
from ros2_rl.nodes.robot_topics import BATTERY_NS, CLOCK_NS
from ros2_rl.robots import RobotState
from ros2_rl.sim.arm_plant import ArmPlant, ArmTruth
from ros2_rl.sim.perturbations import Perturbations

GOAL, OBJECT, EPISODE = "scene/goal", "scene/object", "task/episode"
_IDENTITY = np.array((1.0, 0.0, 0.0, 0.0))


class ArmTopics:
    """Publishes states and measured poses; hears of a new episode, for which the table is laid out anew."""

    def __init__(self, node: Node, plant: ArmPlant):
        self._plant, self._frame, sensor = plant, plant.robot.base_link, qos_profile_sensor_data
        self._goal = node.create_publisher(PoseStamped, GOAL, sensor)
        self._object = None
        if plant.seen().object is not None:
            self._object = node.create_publisher(PoseStamped, OBJECT, sensor)
        self._joints = node.create_publisher(JointState, "joint_states", sensor)
        self._truth = {
            name: node.create_publisher(PoseStamped, f"ground_truth/{name}", sensor)
            for name in ("tool", "goal", "object")
        }
        self._temperatures = node.create_publisher(Float32MultiArray, "joint_temperatures", reliable(1))
        self._clock = node.create_publisher(Clock, "/clock", reliable(10))
        self._state = JointState(name=list(plant.robot.joints))
        node.create_subscription(DiagnosticStatus, EPISODE, self._on_episode, reliable(10, latched=True))

    @property
    def readers(self) -> tuple[int, ...]:
        """How many read each of the topics that make up a state."""
        state = (self._goal, self._object, self._joints)
        return tuple(publisher.get_subscription_count() for publisher in state if publisher is not None)

    @property
    def truth_has_readers(self) -> bool:
        return any(publisher.get_subscription_count() for publisher in self._truth.values())

    def publish_state(self, state: RobotState) -> None:
        """What the camera sees, then the joints; all of one stamp."""
        seen, msg = self._plant.seen(), self._state
        self._goal.publish(self._pose(state.stamp_ns, seen.goal))
        if self._object is not None and seen.object is not None:
            self._object.publish(self._pose(state.stamp_ns, seen.object))
        msg.header.stamp = to_time(state.stamp_ns)
        msg.position = array("d", state.q.tobytes())
        msg.velocity = array("d", state.dq.tobytes())
        msg.effort = array("d", state.tau.tobytes())
        self._joints.publish(msg)

    def publish_truth(self, truth: ArmTruth) -> None:
        """Where everything really is."""
        self._truth["tool"].publish(self._pose(truth.stamp_ns, truth.tool, truth.tool_quat))
        self._truth["goal"].publish(self._pose(truth.stamp_ns, truth.goal))
        if truth.object is not None:
            self._truth["object"].publish(self._pose(truth.stamp_ns, truth.object))

    def publish_slow(self, stamp_ns: int, perturbations: Perturbations) -> None:
        """The clock and the motors' temperatures, when it is their turn."""
        if stamp_ns % CLOCK_NS == 0:
            self._clock.publish(Clock(clock=to_time(stamp_ns)))
        if stamp_ns % BATTERY_NS == 0:
            joints = self._plant.robot.joints
            msg = Float32MultiArray(data=[perturbations.motor_temperature_c] * len(joints))
            msg.layout.dim = [MultiArrayDimension(label=joint, size=1, stride=1) for joint in joints]
            self._temperatures.publish(msg)

    def _pose(self, stamp_ns: int, place: np.ndarray, quat: np.ndarray = _IDENTITY) -> PoseStamped:
        msg = PoseStamped()
        msg.header.stamp, msg.header.frame_id = to_time(stamp_ns), self._frame
        point, turn = msg.pose.position, msg.pose.orientation
        point.x, point.y, point.z = place.tolist()
        turn.w, turn.x, turn.y, turn.z = quat.tolist()
        return msg

    def _on_episode(self, msg: DiagnosticStatus) -> None:
        values = status_values(msg)
        if "layout_ns" in values:
            self._plant.lay_out_at(int(values["number"]), int(values["layout_ns"]))
