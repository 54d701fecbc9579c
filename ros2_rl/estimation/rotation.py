"""Rotations of three-vectors, as quick as single ones can be had from Python."""

import numpy as np


def rotation_matrix(quat: np.ndarray) -> np.ndarray:
    """Base to world, (3, 3), of a unit quaternion (w, x, y, z)."""
    w, x, y, z = quat.tolist()
    return np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        )
    )


def cross_matrix(vector: np.ndarray) -> np.ndarray:
    """The matrix of ``vector x``, (3, 3)."""
    x, y, z = vector.tolist()
    return np.array(((0.0, -z, y), (z, 0.0, -x), (-y, x, 0.0)))
