"""LowCmd and LowState as fixed C structs: byte layout, check sum, and their form on the wire.

The CRC runs over the C struct of Unitree's firmware (little endian, natural alignment). CDR on the wire
differs in one place: a struct's padding at its end is left out, so the ``mode`` of the first motor follows
the byte before it, and all after it lies 4 bytes earlier.
"""

import zlib

import numpy as np

MOTORS = 20
"""Motors in a message; a Go2 has the first 12."""
POS_STOP, VEL_STOP = 2.146e9, 16000.0
"""Set-points that mean "no position control" and "no velocity control", rad and rad/s."""
SERVO, MOTOR_OFF = 0x01, 0x00
"""Values of a motor's ``mode``."""
HEAD = (0xFE, 0xEF)
LOW_LEVEL = 0xFF
"""``level_flag`` of a command to the motors."""

MOTOR_CMD = np.dtype(
    [("mode", "u1"), ("q", "<f4"), ("dq", "<f4"), ("tau", "<f4"), ("kp", "<f4"), ("kd", "<f4"),
     ("reserve", "<u4", 3)],
    align=True,
)  # fmt: skip
MOTOR_STATE = np.dtype(
    [("mode", "u1"), ("q", "<f4"), ("dq", "<f4"), ("ddq", "<f4"), ("tau_est", "<f4"), ("q_raw", "<f4"),
     ("dq_raw", "<f4"), ("ddq_raw", "<f4"), ("temperature", "i1"), ("lost", "<u4"), ("reserve", "<u4", 2)],
    align=True,
)  # fmt: skip
IMU_STATE = np.dtype(
    [("quaternion", "<f4", 4), ("gyroscope", "<f4", 3), ("accelerometer", "<f4", 3), ("rpy", "<f4", 3),
     ("temperature", "i1")],
    align=True,
)  # fmt: skip
BMS_STATE = np.dtype(
    [("version_high", "u1"), ("version_low", "u1"), ("status", "u1"), ("soc", "u1"), ("current", "<i4"),
     ("cycle", "<u2"), ("bq_ntc", "i1", 2), ("mcu_ntc", "i1", 2), ("cell_vol", "<u2", 15)],
    align=True,
)  # fmt: skip
_BEGIN = [("head", "u1", 2), ("level_flag", "u1"), ("frame_reserve", "u1"), ("sn", "<u4", 2),
          ("version", "<u4", 2), ("bandwidth", "<u2")]  # fmt: skip
LOW_CMD = np.dtype(
    [*_BEGIN, ("motor_cmd", MOTOR_CMD, MOTORS), ("bms_cmd", "u1", 4), ("wireless_remote", "u1", 40),
     ("led", "u1", 12), ("fan", "u1", 2), ("gpio", "u1"), ("reserve", "<u4"), ("crc", "<u4")],
    align=True,
)  # fmt: skip
LOW_STATE = np.dtype(
    [*_BEGIN, ("imu_state", IMU_STATE), ("motor_state", MOTOR_STATE, MOTORS), ("bms_state", BMS_STATE),
     ("foot_force", "<i2", 4), ("foot_force_est", "<i2", 4), ("tick", "<u4"), ("wireless_remote", "u1", 40),
     ("bit_flag", "u1"), ("adc_reel", "<f4"), ("temperature_ntc1", "i1"), ("temperature_ntc2", "i1"),
     ("power_v", "<f4"), ("power_a", "<f4"), ("fan_frequency", "<u2", 4), ("reserve", "<u4"), ("crc", "<u4")],
    align=True,
)  # fmt: skip

_MODE_GAP = {LOW_CMD.itemsize: (22, 24, 1), LOW_STATE.itemsize: (77, 80, 2)}
"""By size of the C struct: end of what comes before the padding, where the first motor's mode is, and the
padding after it on the wire."""

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in reverse."""


def crc32(words: bytes) -> int:
    """Unitree's check sum of whole little-endian 32-bit words.

    Polynomial 0x04C11DB7, start value 0xFFFFFFFF, each word taken from its highest bit down. That is
    zlib's CRC with all bits mirrored and without its final inversion, hence a few µs in place of ms.
    """
    swapped = np.frombuffer(words, "<u4").byteswap().tobytes().translate(_MIRRORED)
    return int(f"{zlib.crc32(swapped) ^ 0xFFFFFFFF:032b}"[::-1], 2)


def frame_crc(payload: bytes) -> int:
    """The check sum that a frame of ours or the robot's should carry: over all but its last word."""
    return crc32(payload[:-4])


def sealed(frame: np.ndarray) -> bytes:
    """The bytes of a LowCmd or LowState (0-d structured array), its ``crc`` set."""
    payload = frame.tobytes()
    return payload[:-4] + frame_crc(payload).to_bytes(4, "little")


def crc_of(payload: bytes) -> int:
    """The check sum that a frame carries."""
    return int.from_bytes(payload[-4:], "little")


def intact(payload: bytes) -> bool:
    """Whether a frame carries the check sum of its bytes."""
    return crc_of(payload) == frame_crc(payload)


def to_wire(payload: bytes) -> bytes:
    """The CDR of a frame, without encapsulation, from its C struct."""
    before, mode, padding = _MODE_GAP[len(payload)]
    return payload[:before] + payload[mode : mode + 1] + bytes(padding) + payload[mode + 4 :]


def from_wire(data: bytes, size: int) -> bytes:
    """The C struct of ``size`` bytes from its CDR; nothing if the length is not that of the message."""
    if len(data) != size - 4:
        return b""
    before, mode, padding = _MODE_GAP[size]
    gap = bytes(mode - before)
    return data[:before] + gap + data[before : before + 1] + bytes(3) + data[before + 1 + padding :]


def new_low_cmd() -> np.ndarray:
    """A LowCmd that asks for nothing: all motors in servo mode, without position or velocity control."""
    frame = np.zeros((), LOW_CMD)
    frame["head"], frame["level_flag"] = HEAD, LOW_LEVEL
    motors = frame["motor_cmd"]
    motors["mode"], motors["q"], motors["dq"] = SERVO, POS_STOP, VEL_STOP
    return frame
