"""Unitree's frames: check sums and byte layouts that an independent build agrees with."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.unitree import idl, layout

LOW_CMD = "<4B4IH2x" + "B3x5f3I" * 20 + "4B" + "55Bx2I"
LOW_STATE = "<4B4IH2x" + "13fb3x" + "B3x7fb3x3I" * 20 + "4BiH4b15H" + "8hI41B3xf2b2x2f4h2I"
"""Unitree's own description of the two C structs."""


def policy_frame() -> np.ndarray:
    """Twelve legs' motors at a pose with gains, the others without control."""
    frame = layout.new_low_cmd()
    motors = frame["motor_cmd"][:12]
    motors["q"], motors["dq"], motors["kp"], motors["kd"] = [0.0, 0.9, -1.8] * 4, 0.0, 20.0, 0.5
    return frame


@pytest.mark.parametrize(
    ("frame", "crc"),
    [
        (np.zeros((), layout.LOW_CMD), 0x4B5A4880),
        (layout.new_low_cmd(), 0x06E577CD),
        (policy_frame(), 0x2C6959E8),
    ],
)
def test_golden_check_sums(frame: np.ndarray, crc: int) -> None:
    assert layout.frame_crc(frame.tobytes()) == crc
    sealed = layout.sealed(frame)
    assert layout.crc_of(sealed) == crc and layout.intact(sealed)


@given(st.integers(0, layout.LOW_CMD.itemsize * 8 - 1))
def test_any_flipped_bit_is_noticed(bit: int) -> None:
    payload = bytearray(layout.sealed(policy_frame()))
    payload[bit // 8] ^= 1 << bit % 8
    assert not layout.intact(bytes(payload))


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40))
def test_the_check_sum_is_the_bit_by_bit_one(words: list[int]) -> None:
    crc = 0xFFFFFFFF
    for word in words:
        for bit in range(31, -1, -1):
            top = crc >> 31
            crc = (crc << 1) & 0xFFFFFFFF
            if top ^ (word >> bit & 1):
                crc ^= 0x04C11DB7
    assert layout.crc32(struct.pack(f"<{len(words)}I", *words)) == crc


@pytest.mark.parametrize(("dtype", "form"), [(layout.LOW_CMD, LOW_CMD), (layout.LOW_STATE, LOW_STATE)])
def test_the_layout_is_that_of_the_c_struct(dtype: np.dtype, form: str) -> None:
    assert dtype.itemsize == struct.calcsize(form)
    kinds = struct.unpack(form, bytes(dtype.itemsize))
    values = [float(n) if isinstance(kind, float) else n % 100 for n, kind in enumerate(kinds)]
    frame = np.frombuffer(struct.pack(form, *values), dtype)[0]
    assert _flat(frame) == values


def _flat(value) -> list:
    """All numbers of a frame in the order of its fields."""
    if isinstance(value, np.ndarray):
        return [number for part in value for number in _flat(part)]
    if value.dtype.names is None:
        return [value.item()]
    return [number for name in value.dtype.names for number in _flat(value[name])]


def _members(value):
    """A frame as the object with members that the binding's own encoder wants."""
    if value.dtype.names is None:
        return value.tolist()
    if isinstance(value, np.ndarray) and value.ndim:
        return [_members(part) for part in value]
    return SimpleNamespace(**{name: _members(value[name]) for name in value.dtype.names})


@pytest.mark.parametrize(
    ("kind", "make", "dtype", "form"),
    [
        (idl.LowCmd_, idl.low_cmd, layout.LOW_CMD, LOW_CMD),
        (idl.LowState_, idl.low_state, layout.LOW_STATE, LOW_STATE),
    ],
)
def test_the_bytes_on_the_wire_are_those_of_the_binding(kind, make, dtype: np.dtype, form: str) -> None:
    count = len(struct.unpack(form, bytes(dtype.itemsize)))
    frame = np.frombuffer(struct.pack(form, *(n % 100 for n in range(count))), dtype)[0]
    plain = _members(frame)
    if dtype is layout.LOW_CMD:
        plain.bms_cmd = SimpleNamespace(off=plain.bms_cmd[0], reserve=plain.bms_cmd[1:])
    wire = kind.__idl__.serialize(plain)
    ours = make(frame.tobytes()).serialize()
    received = kind.deserialize(wire)
    assert ours == wire and received.serialize() == wire
    assert _flat(np.frombuffer(received.payload, dtype)[0]) == _flat(frame)


@pytest.mark.parametrize(("kind", "size"), [(idl.LowCmd_, 812), (idl.LowState_, 1180)])
def test_a_message_of_another_size_or_byte_order_is_empty(kind, size: int) -> None:
    assert kind.deserialize(b"\0\1\0\0" + bytes(size - 5)).payload == b""
    assert kind.deserialize(b"\0\0\0\0" + bytes(size - 4)).payload == b""
    assert len(kind.deserialize(b"\0\1\0\0" + bytes(size - 4)).payload) == size


@pytest.mark.parametrize(
    ("kind", "name", "digest"),
    [
        (idl.LowCmd_, "unitree_go::msg::dds_::LowCmd_", "12da99179559f14db8b7ab23acdd"),
        (idl.LowState_, "unitree_go::msg::dds_::LowState_", "ef1819d05896c24741d6dbde9167"),
        (idl.Request_, "unitree_api::msg::dds_::Request_", "e0b8af2406525eb7ba64b54d4e64"),
        (idl.Response_, "unitree_api::msg::dds_::Response_", "aeb68b031dd71f5b0bc333d07ae6"),
    ],
)
def test_type_discovery_sees_unitrees_types(kind, name: str, digest: str) -> None:
    """Golden identifiers: those of Unitree's own Python types, so that peers match."""
    kind.__idl__.populate()
    assert kind.__idl__.get_type_id().value.hex() == digest
    assert kind.__idl_typename__.replace(".", "::") == name
