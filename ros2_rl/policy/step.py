"""The record of one control step, as it travels on ``policy/step``.

The executor sends what the actor saw, what it proposed and what the robot measured at that
moment; whoever acted instead (recovery, human) is known from ``supervisor/state``.
The outcome of step n is read from the record of step n + 1.
"""

from dataclasses import dataclass, fields

import numpy as np

from ros2_rl.robots import BaseEstimate

UNKNOWN = -1
"""In place of a phase, where a record does not say."""


@dataclass(slots=True)
class StepRecord:
    """One control step; arrays are float32 and one-dimensional, in robot order, SI units."""

    stamp_ns: int
    """Stamp of the state that the step answers."""
    step: int
    """``stamp_ns // step_dt``; consecutive numbers are consecutive control steps."""
    version: int
    """Version of the adapter that acted; 0 is the base policy."""
    obs: np.ndarray
    """What the actor saw: scaled and in the contract's order, history included."""
    action: np.ndarray
    """Raw action (mean plus exploration noise), shape (J,), before scale and offset."""
    mean: np.ndarray
    """The actor's output, shape (J,)."""
    std: np.ndarray
    """Standard deviation of the exploration noise, shape (J,); zeros when it is off."""
    command: np.ndarray
    """Velocity command (vx, vy, yaw rate) that was followed, shape (3,)."""
    clock: np.ndarray
    """The policy's clock, shape (2,) or (3,), see ``Clock.at``."""
    lin_vel: np.ndarray
    """Estimated base velocity, base frame, shape (3,)."""
    height: np.ndarray
    """Estimated height of the base above the ground, shape (1,)."""
    contacts: np.ndarray
    """Contact probabilities, shape (F,)."""
    ang_vel: np.ndarray
    """Angular velocity, base frame, shape (3,)."""
    gravity: np.ndarray
    """Projected gravity, shape (3,)."""
    q: np.ndarray
    """Joint positions, shape (J,)."""
    dq: np.ndarray
    """Joint velocities, shape (J,)."""
    tau: np.ndarray
    """Measured joint torques, shape (J,)."""
    phase_ns: int = UNKNOWN
    """Start of the learner's phase that the step belongs to, stamp; 0: of none that was heard of in time."""

    def know(self, estimate: BaseEstimate) -> None:
        """Take what the estimator says of the base."""
        self.lin_vel, self.height, self.contacts = estimate.lin_vel, estimate.position[2:], estimate.contacts

    def critic_obs(self) -> np.ndarray:
        """What the critic sees: the actor's observation, base velocity, height, contacts."""
        return np.concatenate((self.obs, self.lin_vel, self.height, self.contacts)).astype(np.float32)


def critic_width(observation_width: int, feet: int) -> int:
    """Size of :meth:`StepRecord.critic_obs`."""
    return observation_width + 3 + 1 + feet


_INTEGERS, _BITS = ("sec", "nanosec", "step_high", "step", "version"), 32
_PHASE = ("phase_sec", "phase_nanosec")
ARRAYS = tuple(
    f.name for f in fields(StepRecord) if f.name not in ("stamp_ns", "step", "version", "phase_ns")
)


def pack(record: StepRecord) -> tuple[np.ndarray, list[tuple[str, int]]]:
    """Flat float32 data and ``(label, size)`` of each part, for a multi-array message.

    The integers are sizes of dimensions of their own (``sec``, ``nanosec``, ``step_high``, ``step``,
    ``version``, ``phase_sec``, ``phase_nanosec``): a float32 could not hold them, and of a robot whose time
    is that of the wall one size, which has 32 bits, cannot hold the step. A record that does not know its
    phase has no sizes for it.
    """
    parts = [np.asarray(getattr(record, name), dtype=np.float32) for name in ARRAYS]
    dims = [
        ("sec", record.stamp_ns // 1_000_000_000),
        ("nanosec", record.stamp_ns % 1_000_000_000),
        ("step_high", record.step >> _BITS),
        ("step", record.step & (1 << _BITS) - 1),
        ("version", record.version),
        *((name, part.size) for name, part in zip(ARRAYS, parts, strict=True)),
    ]
    if record.phase_ns != UNKNOWN:
        dims += zip(_PHASE, divmod(record.phase_ns, 1_000_000_000), strict=True)
    return np.concatenate(parts), dims


def unpack(data: np.ndarray, dims: list[tuple[str, int]]) -> StepRecord:
    """Inverse of :func:`pack`.

    Raises:
        ValueError: a part is missing, or the sizes do not add up to the data.
    """
    sizes = dict(dims)
    missing = [n for n in (*_INTEGERS, *ARRAYS) if n not in sizes]
    if missing:
        raise ValueError(f"policy/step lacks {', '.join(missing)}")
    data = np.asarray(data, dtype=np.float32)
    if sum(sizes[name] for name in ARRAYS) != data.size:
        raise ValueError(f"policy/step has {data.size} numbers, its layout says otherwise")
    told = all(name in sizes for name in _PHASE)
    arrays, start = {}, 0
    for name in ARRAYS:
        arrays[name] = data[start : start + sizes[name]]
        start += sizes[name]
    return StepRecord(
        stamp_ns=sizes["sec"] * 1_000_000_000 + sizes["nanosec"],
        step=sizes["step_high"] << _BITS | sizes["step"],
        version=sizes["version"],
        phase_ns=sizes["phase_sec"] * 1_000_000_000 + sizes["phase_nanosec"] if told else UNKNOWN,
        **arrays,
    )
