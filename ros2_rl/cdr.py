"""Stamps and numbers of serialised messages (CDR), read without deserialising them."""

import struct
from typing import NamedTuple

import numpy as np

from ros2_rl.robots import NS_PER_S, BaseEstimate, ImuReading

_LITTLE, _BIG = struct.Struct("<iI"), struct.Struct(">iI")
_ODOMETRY = 85
"""Numbers of an Odometry: pose 7, its covariance 36, twist 6, its covariance 36."""
_IMU = 37
"""Numbers of an Imu: orientation 4, angular velocity 3, acceleration 3, each with 9 of covariance."""


class LabelledArray(NamedTuple):
    """A multi-array whose dimensions name its numbers; two more, ``sec`` and ``nanosec``, carry a stamp."""

    stamp_ns: int
    """0 when there is none."""
    labels: tuple[str, ...]
    """Names of all dimensions."""
    data: np.ndarray
    """(N,)."""


def header_stamp(raw: bytes) -> int:
    """Stamp in nanoseconds of a serialised message that begins with a std_msgs/Header (CDR)."""
    sec, nanosec = (_LITTLE if raw[1] & 1 else _BIG).unpack_from(raw, 4)
    return sec * NS_PER_S + nanosec


def text_at(raw: bytes, at: int, number: struct.Struct) -> tuple[str, int]:
    """The string (CDR) at the next multiple of four, without its closing zero, and where it ends.

    Raises:
        struct.error: the message is cut off.
    """
    at += -at % 4
    length, at = number.unpack_from(raw, at)[0], at + 4
    if at + length > len(raw):
        raise struct.error("the text is longer than the message")
    return raw[at : at + length - 1].decode(errors="replace"), at + length


def layout_stamp(raw: bytes) -> int:
    """Stamp of a serialised multi-array: the sizes of its dimensions ``sec`` and ``nanosec`` (CDR)."""
    return _layout(raw)[0]


def labelled_array(raw: bytes) -> LabelledArray:
    """What a serialised Float32MultiArray (CDR) says."""
    order = "<" if raw[1] & 1 else ">"
    stamp_ns, labels, at = _layout(raw)
    at += 4  # behind the offset of the data
    data = np.frombuffer(raw, order + "f4", struct.unpack_from(order + "I", raw, at)[0], at + 4)
    return LabelledArray(stamp_ns, labels, data.astype(float))


def _layout(raw: bytes) -> tuple[int, tuple[str, ...], int]:
    """Stamp and labels of a serialised multi-array, and where its dimensions end."""
    number = struct.Struct("<I" if raw[1] & 1 else ">I")
    labels, stamp, at = [], {"sec": 0, "nanosec": 0}, 8
    for _ in range(number.unpack_from(raw, 4)[0]):
        label, at = text_at(raw, at, number)
        labels.append(label)
        at += -at % 4
        if label in stamp:
            stamp[label] = number.unpack_from(raw, at)[0]
        at += 8  # size and stride
    return stamp["sec"] * NS_PER_S + stamp["nanosec"], tuple(labels), at


def odometry_numbers(raw: bytes) -> np.ndarray:
    """All numbers of a serialised Odometry (CDR) behind its two frame names, shape (85,)."""
    return _numbers_behind(raw, 2, _ODOMETRY)


def base_estimate(odom: bytes, contacts: np.ndarray) -> BaseEstimate:
    """The estimate out of a serialised Odometry (CDR) and the contact probabilities, (F,)."""
    numbers = odometry_numbers(odom)
    return BaseEstimate(
        stamp_ns=header_stamp(odom),
        position=numbers[:3],
        quat=numbers[[6, 3, 4, 5]],
        lin_vel=numbers[43:46],
        ang_vel=numbers[46:49],
        contacts=contacts,
        lin_vel_cov=numbers[49:].reshape(6, 6)[:3, :3],
    )


def imu_reading(raw: bytes) -> ImuReading:
    """What a serialised Imu (CDR) says."""
    numbers = _numbers_behind(raw, 1, _IMU)
    return ImuReading(numbers[[3, 0, 1, 2]], numbers[13:16], numbers[25:28])


def _numbers_behind(raw: bytes, frames: int, count: int) -> np.ndarray:
    """``count`` float64 behind a stamp and so many frame names."""
    order = "<" if raw[1] & 1 else ">"
    at = 12
    for _ in range(frames):
        at += -at % 4
        at += 4 + struct.unpack_from(order + "I", raw, at)[0]
    at += -(at - 4) % 8  # alignment counts from behind the four bytes of the encapsulation
    # A copy is aligned: numpy adds in another order where numbers are not, and a replay would differ.
    return np.frombuffer(raw, order + "f8", count, at).astype(float)


def twist_numbers(raw: bytes) -> np.ndarray:
    """Linear and angular velocity of a serialised TwistStamped (CDR), which it ends with, shape (6,)."""
    return np.frombuffer(raw[-48:], "<f8" if raw[1] & 1 else ">f8")


def first_status_name(raw: bytes) -> str:
    """Name of the first status of a serialised DiagnosticArray (CDR); empty when there is none."""
    number = struct.Struct("<I" if raw[1] & 1 else ">I")
    at = 16 + number.unpack_from(raw, 12)[0]
    at += -at % 4
    if not number.unpack_from(raw, at)[0]:
        return ""
    return text_at(raw, at + 8, number)[0]  # behind the count, the level and its padding
