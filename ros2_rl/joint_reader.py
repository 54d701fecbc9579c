"""Serialised JointStates as the library's plain types, without the message between.

States and commands come hundreds of times a second, and most of such a message is the joints' names, which
are always the same: they are read once, and again only when others come.
"""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from ros2_rl.cdr import header_stamp, text_at
from ros2_rl.messages import LEVEL, JointOrder
from ros2_rl.robots import ImuReading, JointCommand, RobotState

_HEAD = 12
"""Where frame and names begin: behind the encapsulation and the stamp."""


class JointReader:
    """Reads serialised JointStates (CDR, version 1) into robot order.

    Args:
        joints: names of the robot's joints.
        decode: makes a message of bytes; used where not every joint has all its values.
    """

    def __init__(self, joints: tuple[str, ...], decode: Callable[[bytes], Any]):
        self._order, self._decode = JointOrder(joints), decode
        self._encoding, self._head, self._frame, self._count = -1, b"", "", 0
        self._number, self._float = struct.Struct("<I"), "<f8"
        self._index: list[int] | None = None

    def state(self, raw: bytes, imu: ImuReading = LEVEL) -> RobotState:
        """The robot's state at the stamp of the message; without an IMU its base is level and at rest.

        Raises:
            ValueError: a joint of the robot is missing, there are not as many values as names, or the
                message is cut off.
        """
        values = self._values(raw)
        if values is None:
            return self._order.state(self._decode(raw), imu)
        q, dq, tau = values
        return RobotState(header_stamp(raw), q, dq, tau, imu.quat, imu.gyro, imu.accel)

    def command(self, raw: bytes) -> JointCommand:
        """What a message commands; the gain set is its frame.

        Raises:
            ValueError: as :meth:`state`.
        """
        values = self._values(raw)
        if values is None:
            return self._order.command(self._decode(raw))
        q, dq, tau = values
        return JointCommand(header_stamp(raw), q, dq, tau, self._frame)

    def _values(self, raw: bytes) -> list[np.ndarray] | None:
        """Position, velocity and effort, (J,) each, robot order; None when one has not a value a name.

        How an array without elements is padded is not the same everywhere, so that is left to the decoder.
        """
        try:
            if raw[1] != self._encoding or not raw.startswith(self._head, _HEAD):
                self._learn(raw)
            return self._arrays(raw, _HEAD + len(self._head))
        except (struct.error, IndexError) as error:
            raise ValueError("a joint message is cut off") from error

    def _arrays(self, raw: bytes, at: int) -> list[np.ndarray] | None:
        found, count = [], self._count
        for _ in range(3):
            if self._number.unpack_from(raw, at)[0] != count or not count:
                return None
            at += 4
            at += -(at - 4) % 8  # alignment counts from behind the encapsulation
            if at + 8 * count > len(raw):
                raise IndexError("there are less numbers than it says")
            # A copy is aligned: numpy adds in another order where numbers are not.
            values = np.frombuffer(raw, self._float, count, at).astype(float)
            found.append(values if self._index is None else values[self._index])
            at += 8 * count
        return found

    def _learn(self, raw: bytes) -> None:
        """Read frame and names."""
        order = "<" if raw[1] & 1 else ">"
        number = struct.Struct(order + "I")
        frame, at = text_at(raw, _HEAD, number)
        at += -at % 4
        count, at = number.unpack_from(raw, at)[0], at + 4
        names = []
        for _ in range(count):
            name, at = text_at(raw, at, number)
            names.append(name)
        index, at = self._order.index(names), at + -at % 4
        self._encoding, self._head, self._frame, self._count = raw[1], raw[_HEAD:at], frame, count
        self._number, self._float, self._index = number, order + "f8", index
