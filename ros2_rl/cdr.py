"""Stamps of serialised messages (CDR), read without deserialising them."""

import struct

from ros2_rl.robots import NS_PER_S

_LITTLE, _BIG = struct.Struct("<iI"), struct.Struct(">iI")


def header_stamp(raw: bytes) -> int:
    """Stamp in nanoseconds of a serialised message that begins with a std_msgs/Header (CDR)."""
    sec, nanosec = (_LITTLE if raw[1] & 1 else _BIG).unpack_from(raw, 4)
    return sec * NS_PER_S + nanosec


def layout_stamp(raw: bytes) -> int:
    """Stamp of a serialised multi-array: the sizes of its dimensions ``sec`` and ``nanosec`` (CDR)."""
    number = struct.Struct("<I" if raw[1] & 1 else ">I")
    stamp, at = {b"sec": 0, b"nanosec": 0}, 8
    for _ in range(number.unpack_from(raw, 4)[0]):
        length = number.unpack_from(raw, at)[0]
        label = raw[at + 4 : at + 3 + length]  # without the closing zero
        at += 4 + length
        at += -at % 4
        if label in stamp:
            stamp[label] = number.unpack_from(raw, at)[0]
        at += 8  # size and stride
    return stamp[b"sec"] * NS_PER_S + stamp[b"nanosec"]
