"""The feet's part of a state: ``foot_forces``, joined by stamp and in robot order.

A multi-array has no header: its stamp stands in the sizes of the dimensions ``sec`` and ``nanosec``. A
driver that leaves them out is taken at its latest word.
"""

from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from std_msgs.msg import Float32MultiArray

from ros2_rl.cdr import LabelledArray, labelled_array, layout_stamp
from ros2_rl.messages import FootOrder
from ros2_rl.nodes.polling import Gate, PolledInput
from ros2_rl.robots import RobotDescription, RobotState

MAX_AGE_NS = 20_000_000
"""Older stamped forces are not used; then the joint torques tell of the contacts."""


class FootInput:
    """Hands a state on with its foot forces.

    ``foot_forces`` is sent before ``joint_states``, so it is fetched when a state is there and wakes
    nobody. Should it be late it is waited for, until the next state at the longest; feet that have
    been silent for ``MAX_AGE_NS``, or never heard, are not waited for.
    """

    def __init__(self, node: Node, robot: RobotDescription, on_state: Callable[[RobotState], None]):
        self._node, self._on_state = node, on_state
        self._order = FootOrder(robot.feet)
        self._pending: RobotState | None = None
        self._none = np.zeros(0)
        self._heard_ns = -MAX_AGE_NS - 1
        self._gate = Gate()
        self._input = PolledInput(
            node, Float32MultiArray, "foot_forces", qos_profile_sensor_data,
            self._gate, self._on_late, layout_stamp,
        )  # fmt: skip

    def join(self, state: RobotState) -> None:
        """Take a state without forces."""
        if self._pending is not None:
            self._hand_over(self._pending, self._newest(self._pending.stamp_ns))
        message = self._at(state.stamp_ns)
        if message is not None:
            self._heard_ns = state.stamp_ns
        elif 0 <= state.stamp_ns - self._heard_ns <= MAX_AGE_NS:
            self._pending, self._gate.open = state, True
            return
        self._hand_over(state, message or self._newest(state.stamp_ns))

    def _on_late(self) -> None:
        state = self._pending
        message = None if state is None else self._at(state.stamp_ns)
        if state is not None and message is not None:
            self._heard_ns = state.stamp_ns
            self._hand_over(state, message)

    def _at(self, stamp_ns: int) -> LabelledArray | None:
        raw = self._input.raw_at(stamp_ns)
        return None if raw is None else labelled_array(raw)

    def _newest(self, stamp_ns: int) -> LabelledArray | None:
        """The latest word of the feet, if it is not old or has no stamp."""
        stamped = self._input.newest_raw(stamp_ns, MAX_AGE_NS)
        if stamped is not None:
            return labelled_array(stamped)
        raw = self._input.newest_raw(stamp_ns, stamp_ns)
        message = None if raw is None else labelled_array(raw)
        return message if message is not None and "sec" not in message.labels else None

    def _hand_over(self, state: RobotState, message: LabelledArray | None) -> None:
        self._pending, self._gate.open = None, False
        state.foot_force = self._none if message is None else self._sorted(message)
        self._on_state(state)

    def _sorted(self, message: LabelledArray) -> np.ndarray:
        """Forces in robot order, (F,), N; empty when a foot is missing, which is told about once."""
        force = self._order.sort(message.labels, message.data)
        if force.size == 0:
            missing = ", ".join(self._order.missing(message.labels)) or "numbers"
            self._node.get_logger().warning(
                f"foot_forces lacks {missing}, so joint torques tell of the contacts; "
                "label its dimensions with the feet's names.",
                once=True,
            )
        return force
