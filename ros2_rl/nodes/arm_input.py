"""An arm's state and what the camera sees, of one stamp, once a control step."""

from collections.abc import Callable

import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from ros2_rl.manipulation.poses import ScenePoses
from ros2_rl.manipulation.task import ArmTask
from ros2_rl.messages import to_ns
from ros2_rl.nodes.arm_topics import GOAL, OBJECT
from ros2_rl.nodes.state_input import StateInput
from ros2_rl.robots import RobotDescription, RobotState

_KEPT = 50


class ArmInput:
    """Hands over every state whose stamp is a multiple of ``period_ns``, with the poses of that stamp.

    Whatever comes last completes them. A state whose poses never come is counted in ``missed`` when the next
    one is there; without targets the supervisor then holds the arm.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotDescription,
        task: ArmTask,
        period_ns: int,
        on_input: Callable[[RobotState, ScenePoses], None],
    ):
        self._period_ns, self._on_input = period_ns, on_input
        self._state: RobotState | None = None
        self._done_ns, self.missed = -1, 0
        self._places: dict[str, dict[int, np.ndarray]] = {GOAL: {}}
        if task.object is not None:
            self._places[OBJECT] = {}
        for topic in self._places:
            node.create_subscription(PoseStamped, topic, self._keep(topic), qos_profile_sensor_data)
        StateInput(node, robot, self._on_state)

    def _on_state(self, state: RobotState) -> None:
        if state.stamp_ns % self._period_ns or state.stamp_ns == self._done_ns:
            return
        waits = self._state is not None and self._state.stamp_ns != state.stamp_ns
        self.missed += waits
        self._state = state
        self._try()

    def _keep(self, topic: str) -> Callable[[PoseStamped], None]:
        kept = self._places[topic]

        def keep(msg: PoseStamped) -> None:
            point = msg.pose.position
            kept[to_ns(msg.header.stamp)] = np.array((point.x, point.y, point.z))
            while len(kept) > _KEPT:
                del kept[next(iter(kept))]
            self._try()

        return keep

    def _try(self) -> None:
        state = self._state
        if state is None or any(state.stamp_ns not in kept for kept in self._places.values()):
            return
        self._state, self._done_ns = None, state.stamp_ns
        goal, thing = (self._places.get(topic, {}).get(state.stamp_ns) for topic in (GOAL, OBJECT))
        assert goal is not None
        self._on_input(state, ScenePoses(state.stamp_ns, goal, thing))
