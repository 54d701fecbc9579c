"""The frames of a robot's links, each in that of its parent, as tf has them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pinocchio as pin

from ros2_rl.errors import ConfigError


@dataclass(frozen=True)
class Transform:
    """Where a frame is in that of its parent: position, m, and quaternion, wxyz."""

    parent: str
    child: str
    position: np.ndarray
    quat: np.ndarray


class LinkFrames:
    """Links of a URDF; ``joints`` names the columns of the positions.

    Raises:
        ConfigError: the URDF cannot be read or lacks one of the joints.
    """

    def __init__(self, urdf: Path, joints: tuple[str, ...]):
        try:
            self._model = pin.buildModelFromUrdf(str(urdf))
        except (ValueError, RuntimeError) as error:
            raise ConfigError(f"{urdf} has no frames ({error}); is it a URDF?") from error
        missing = [name for name in joints if not self._model.existJointName(name)]
        if missing:
            raise ConfigError(f"{urdf.name} has no joint {', '.join(missing)}; name joints of this URDF.")
        self._columns = [self._model.joints[self._model.getJointId(name)].idx_q for name in joints]
        self._data, self._q = self._model.createData(), pin.neutral(self._model)
        self._pairs = list(self._parents())

    def _parents(self):
        """Parent and child of each link but the first, as indices of frames."""
        for index, frame in enumerate(self._model.frames):
            if frame.type != pin.FrameType.BODY:
                continue
            parent = frame.parentFrame
            while parent and self._model.frames[parent].type != pin.FrameType.BODY:
                parent = self._model.frames[parent].parentFrame
            if parent:
                yield parent, index

    def at(self, q: np.ndarray) -> list[Transform]:
        """The frames at joint positions q, (J,), rad."""
        self._q[self._columns] = q
        pin.framesForwardKinematics(self._model, self._data, self._q)
        found = []
        for parent, child in self._pairs:
            place = pin.SE3ToXYZQUAT(self._data.oMf[parent].actInv(self._data.oMf[child]))
            names = (self._model.frames[parent].name, self._model.frames[child].name)
            found.append(Transform(*names, place[:3], place[[6, 3, 4, 5]]))
        return found
