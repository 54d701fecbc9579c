"""Unitree's message types for Cyclone DDS: our own classes, same names and members on the wire.

``LowCmd_`` and ``LowState_`` travel 500 times a second, and member by member the binding would take a
third of a core for them. They are plain fixed structs, so their classes hold the bytes as they are
(:class:`Frame`). Temperatures and NTC values are declared as ``uint8`` like in Unitree's own Python types,
since type discovery compares declarations; ``layout.py`` reads them as the signed bytes that they are.
"""

# mypy: disable-error-code="type-arg, valid-type"

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from cyclonedds.idl import IdlStruct
from cyclonedds.idl.annotations import autoid, final
from cyclonedds.idl.types import array, float32, int16, int32, int64, sequence, uint8, uint16, uint32

from ros2_rl.unitree import layout

_CDR_HEADER = b"\x00\x01\x00\x00"
"""Encapsulation of plain little-endian CDR."""


class Frame(Protocol):
    """A message as the bytes of its C struct."""

    payload: bytes

    def __init__(self, payload: bytes) -> None: ...


def _as_bytes(dtype: np.dtype) -> Callable[[type], type]:
    """Makes a class of a fixed struct hold its bytes: a :class:`Frame`.

    A message from the wire that has another size, or is big-endian, has an empty payload.
    """

    def init(self, payload: bytes) -> None:
        self.payload = payload

    def serialize(self, buffer=None, endianness=None, use_version_2=None) -> bytes:
        return _CDR_HEADER + layout.to_wire(self.payload)

    def deserialize(cls, data: bytes, has_header: bool = True, use_version_2=None):
        return cls(layout.from_wire(bytes(data[4:]), dtype.itemsize) if data[1] & 1 else b"")

    def deserialize_key(cls, data: bytes, has_header: bool = True, use_version_2=None):
        return cls(b"")  # what a reader gets when a writer has gone

    def decorate(cls: type) -> type:
        for function in (serialize, classmethod(deserialize), classmethod(deserialize_key)):
            setattr(cls, function.__name__, function)
        cls.__init__ = init  # type: ignore[misc]
        return cls

    return decorate


@dataclass
@final
@autoid("sequential")
class MotorCmd_(IdlStruct, typename="unitree_go.msg.dds_.MotorCmd_"):
    mode: uint8
    q: float32
    dq: float32
    tau: float32
    kp: float32
    kd: float32
    reserve: array[uint32, 3]


@dataclass
@final
@autoid("sequential")
class BmsCmd_(IdlStruct, typename="unitree_go.msg.dds_.BmsCmd_"):
    off: uint8
    reserve: array[uint8, 3]


@_as_bytes(layout.LOW_CMD)
@dataclass(init=False, repr=False, eq=False)
@final
@autoid("sequential")
class LowCmd_(IdlStruct, typename="unitree_go.msg.dds_.LowCmd_"):
    head: array[uint8, 2]
    level_flag: uint8
    frame_reserve: uint8
    sn: array[uint32, 2]
    version: array[uint32, 2]
    bandwidth: uint16
    motor_cmd: array[MotorCmd_, 20]
    bms_cmd: BmsCmd_
    wireless_remote: array[uint8, 40]
    led: array[uint8, 12]
    fan: array[uint8, 2]
    gpio: uint8
    reserve: uint32
    crc: uint32


@dataclass
@final
@autoid("sequential")
class IMUState_(IdlStruct, typename="unitree_go.msg.dds_.IMUState_"):
    quaternion: array[float32, 4]
    gyroscope: array[float32, 3]
    accelerometer: array[float32, 3]
    rpy: array[float32, 3]
    temperature: uint8


@dataclass
@final
@autoid("sequential")
class MotorState_(IdlStruct, typename="unitree_go.msg.dds_.MotorState_"):
    mode: uint8
    q: float32
    dq: float32
    ddq: float32
    tau_est: float32
    q_raw: float32
    dq_raw: float32
    ddq_raw: float32
    temperature: uint8
    lost: uint32
    reserve: array[uint32, 2]


@dataclass
@final
@autoid("sequential")
class BmsState_(IdlStruct, typename="unitree_go.msg.dds_.BmsState_"):
    version_high: uint8
    version_low: uint8
    status: uint8
    soc: uint8
    current: int32
    cycle: uint16
    bq_ntc: array[uint8, 2]
    mcu_ntc: array[uint8, 2]
    cell_vol: array[uint16, 15]


@_as_bytes(layout.LOW_STATE)
@dataclass(init=False, repr=False, eq=False)
@final
@autoid("sequential")
class LowState_(IdlStruct, typename="unitree_go.msg.dds_.LowState_"):
    head: array[uint8, 2]
    level_flag: uint8
    frame_reserve: uint8
    sn: array[uint32, 2]
    version: array[uint32, 2]
    bandwidth: uint16
    imu_state: IMUState_
    motor_state: array[MotorState_, 20]
    bms_state: BmsState_
    foot_force: array[int16, 4]
    foot_force_est: array[int16, 4]
    tick: uint32
    wireless_remote: array[uint8, 40]
    bit_flag: uint8
    adc_reel: float32
    temperature_ntc1: uint8
    temperature_ntc2: uint8
    power_v: float32
    power_a: float32
    fan_frequency: array[uint16, 4]
    reserve: uint32
    crc: uint32


@dataclass
@final
@autoid("sequential")
class RequestIdentity_(IdlStruct, typename="unitree_api.msg.dds_.RequestIdentity_"):
    id: int64
    api_id: int64


@dataclass
@final
@autoid("sequential")
class RequestLease_(IdlStruct, typename="unitree_api.msg.dds_.RequestLease_"):
    id: int64


@dataclass
@final
@autoid("sequential")
class RequestPolicy_(IdlStruct, typename="unitree_api.msg.dds_.RequestPolicy_"):
    priority: int32
    noreply: bool


@dataclass
@final
@autoid("sequential")
class RequestHeader_(IdlStruct, typename="unitree_api.msg.dds_.RequestHeader_"):
    identity: RequestIdentity_
    lease: RequestLease_
    policy: RequestPolicy_


@dataclass
@final
@autoid("sequential")
class Request_(IdlStruct, typename="unitree_api.msg.dds_.Request_"):
    header: RequestHeader_
    parameter: str
    binary: sequence[uint8]


@dataclass
@final
@autoid("sequential")
class ResponseStatus_(IdlStruct, typename="unitree_api.msg.dds_.ResponseStatus_"):
    code: int32


@dataclass
@final
@autoid("sequential")
class ResponseHeader_(IdlStruct, typename="unitree_api.msg.dds_.ResponseHeader_"):
    identity: RequestIdentity_
    status: ResponseStatus_


@dataclass
@final
@autoid("sequential")
class Response_(IdlStruct, typename="unitree_api.msg.dds_.Response_"):
    header: ResponseHeader_
    data: str
    binary: sequence[uint8]


def low_cmd(payload: bytes) -> Frame:
    """A LowCmd of the bytes of its C struct."""
    make: Callable[[bytes], Frame] = LowCmd_  # type: ignore[assignment]
    return make(payload)


def low_state(payload: bytes) -> Frame:
    """A LowState of the bytes of its C struct."""
    make: Callable[[bytes], Frame] = LowState_  # type: ignore[assignment]
    return make(payload)
