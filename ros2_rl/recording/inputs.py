"""The inputs of the nodes out of a record, joined by stamp as the nodes join them."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ros2_rl.cdr import header_stamp, layout_stamp
from ros2_rl.messages import FootOrder, JointOrder, foot_labels, imu_reading
from ros2_rl.recording.decode import Decoder
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.writer import Message
from ros2_rl.robots import RobotDescription, RobotState

FOOT_MAX_AGE_NS = 20_000_000
"""Older stamped forces are not used, as in the node."""
_KEPT = 50


class Window:
    """The newest messages of a topic by stamp; decoded when they are asked for."""

    def __init__(self, decoder: Decoder, stamp_of: Callable[[bytes], int]):
        self._decoder, self._stamp_of = decoder, stamp_of
        self._held: deque[tuple[int, Message]] = deque(maxlen=_KEPT)

    def add(self, message: Message) -> None:
        self._held.append((self._stamp_of(message.data), message))

    def at(self, stamp_ns: int) -> Any | None:
        """The message of exactly this stamp."""
        return next((self._decoder.decode(m) for s, m in reversed(self._held) if s == stamp_ns), None)

    def newest(self, stamp_ns: int, max_age_ns: int) -> Any | None:
        """The message of this stamp, or else the newest one that is not older than ``max_age_ns``."""
        message = self.at(stamp_ns)
        if message is None and self._held and stamp_ns - self._held[-1][0] <= max_age_ns:
            message = self._decoder.decode(self._held[-1][1])
        return message


class States:
    """The states that the estimator was given, in order: ``joint_states``, ``imu/data``, ``foot_forces``."""

    def __init__(self, bag: Bag, robot: RobotDescription):
        self._decoder = Decoder(bag)
        self._joint_order, self._foot_order = JointOrder(robot.joints), FootOrder(robot.feet)
        self._joints = bag.full_name("joint_states")
        self._windows = {bag.full_name("imu/data"): Window(self._decoder, header_stamp)}
        self._imu = self._windows[bag.full_name("imu/data")]
        self._feet = Window(self._decoder, layout_stamp)
        if bag.has("foot_forces"):
            self._windows[bag.full_name("foot_forces")] = self._feet
        self.dropped = 0

    def take(self, message: Message) -> RobotState | None:
        """Take the next message of the record; the state that is complete with it, if one is."""
        window = self._windows.get(message.topic)
        if window is not None:
            window.add(message)
            return None
        return self._state(self._decoder.decode(message)) if message.topic == self._joints else None

    @property
    def topics(self) -> list[str]:
        """Full names of what it needs."""
        return [self._joints, *self._windows]

    def _state(self, joints: Any) -> RobotState | None:
        stamp_ns = joints.header.stamp.sec * 1_000_000_000 + joints.header.stamp.nanosec
        imu = self._imu.at(stamp_ns)
        if imu is None:
            self.dropped += 1
            return None
        try:
            state = self._joint_order.state(joints, imu_reading(imu))
        except ValueError:
            self.dropped += 1
            return None
        feet = self._feet.newest(stamp_ns, FOOT_MAX_AGE_NS)
        if feet is not None:
            state.foot_force = self._foot_order.sort(foot_labels(feet), feet.data)
        return state


def states(bag: Bag, robot: RobotDescription) -> Iterator[RobotState]:
    """All states of a record."""
    join = States(bag, robot)
    for message in bag.messages(join.topics):
        state = join.take(message)
        if state is not None:
            yield state
