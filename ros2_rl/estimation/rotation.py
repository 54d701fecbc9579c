"""Rotations of single vectors in plain floats, which numpy would take several times as long for."""

import math

import numpy as np

Quat = tuple[float, float, float, float]
"""Unit quaternion (w, x, y, z)."""


def rotation_matrix(quat: Quat | np.ndarray) -> np.ndarray:
    """Base to world, (3, 3), of a unit quaternion (w, x, y, z)."""
    w, x, y, z = quat
    xx, yy, zz, wx, wy, wz = x * x, y * y, z * z, w * x, w * y, w * z
    xy, xz, yz = x * y, x * z, y * z
    return _matrix(
        1.0 - 2.0 * (yy + zz), 2.0 * (xy - wz), 2.0 * (xz + wy),
        2.0 * (xy + wz), 1.0 - 2.0 * (xx + zz), 2.0 * (yz - wx),
        2.0 * (xz - wy), 2.0 * (yz + wx), 1.0 - 2.0 * (xx + yy),
    )  # fmt: skip


def cross_matrix(vector: np.ndarray) -> np.ndarray:
    """The matrix of ``vector x``, (3, 3)."""
    x, y, z = vector.tolist()
    return _matrix(0.0, -z, y, z, 0.0, -x, -y, x, 0.0)


def _matrix(*rows: float) -> np.ndarray:
    """(3, 3) from nine numbers; nested rows would take numpy twice as long."""
    return np.array(rows).reshape(3, 3)


def turned(quat: Quat, x: float, y: float, z: float) -> Quat:
    """``quat`` turned on by a rotation vector in its own frame, rad."""
    angle = math.sqrt(x * x + y * y + z * z)
    scale = math.sin(0.5 * angle) / angle if angle > 1e-9 else 0.5
    w, (a, b, c, d), x, y, z = math.cos(0.5 * angle), quat, scale * x, scale * y, scale * z
    return normalised(
        a * w - b * x - c * y - d * z,
        b * w + a * x + c * z - d * y,
        c * w + a * y + d * x - b * z,
        d * w + a * z + b * y - c * x,
    )


def turn_between(start: Quat, end: Quat) -> tuple[float, float, float]:
    """Rotation vector (rad, in the frame of ``start``) from one orientation to a near one.

    Twice the vector part: exact to the third order in the angle, and at most 2 beyond it.
    """
    a, b, c, d = start
    w, x, y, z = end
    twice = 2.0 if a * w + b * x + c * y + d * z >= 0.0 else -2.0
    return (
        twice * (a * x - b * w - c * z + d * y),
        twice * (a * y - c * w - d * x + b * z),
        twice * (a * z - d * w - b * y + c * x),
    )


def normalised(w: float, x: float, y: float, z: float) -> Quat:
    scale = 1.0 / math.sqrt(w * w + x * x + y * y + z * z)
    return w * scale, x * scale, y * scale, z * scale
