"""The shapes of a robot's URDF and where they are, for drawing.

Only primitive shapes are drawn; a mesh would have to be found, loaded and sent to every browser.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pinocchio as pin

from ros2_rl.errors import ConfigError

_KINDS = {"Box": "box", "Cylinder": "cylinder", "Capsule": "cylinder", "Sphere": "sphere"}


@dataclass(frozen=True)
class Primitive:
    """One shape of a link.

    Attributes:
        path: of the shape in the scene, unique: the frames that carry it, then link and number.
        link: the link it belongs to.
        kind: ``box``, ``cylinder`` (axis z) or ``sphere``.
        size: box: edges x, y, z; cylinder: radius, height; sphere: radius; m.
        position, quat: place in the frame that carries it, (3,), m, and (4,), wxyz.
    """

    path: str
    link: str
    kind: str
    size: tuple[float, ...]
    position: np.ndarray
    quat: np.ndarray


class RobotGeometry:
    """Primitive shapes of a URDF, and the frames of its joints that carry them, each in the one before.

    So a page hears one turn a joint; where every shape is follows from that.

    Attributes:
        frames: paths of the joints' frames in the scene, in the order of :meth:`poses`.
        primitives: the shapes.
    """

    def __init__(self, urdf: Path, joints: tuple[str, ...]):
        """Read the URDF; ``joints`` names the columns of the positions.

        Raises:
            ConfigError: the URDF cannot be read or lacks one of the joints.
        """
        try:
            self._model = pin.buildModelFromUrdf(str(urdf))
            shapes = pin.buildGeomFromUrdf(self._model, str(urdf), pin.GeometryType.COLLISION)
        except (ValueError, RuntimeError) as error:
            raise ConfigError(f"{urdf} cannot be drawn ({error}); is it a URDF?") from error
        missing = [name for name in joints if not self._model.existJointName(name)]
        if missing:
            raise ConfigError(f"{urdf.name} has no joint {', '.join(missing)}; name joints of this URDF.")
        self._columns = [self._model.joints[self._model.getJointId(name)].idx_q for name in joints]
        self._data, self._q = self._model.createData(), pin.neutral(self._model)
        paths = [""]
        for parent, name in zip(list(self._model.parents)[1:], list(self._model.names)[1:], strict=True):
            paths.append(f"{paths[parent]}/{name}")
        self.frames = paths[1:]
        self.primitives = [
            _primitive(self._model, shape, paths[shape.parentJoint])
            for shape in shapes.geometryObjects
            if _kind(shape) in _KINDS
        ]

    def poses(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (F, 3), m, and quaternions (F, 4), wxyz, of the frames, each in the one that carries it.

        Args:
            q: joint positions, (J,), rad, in the order of ``joints``.
        """
        self._q[self._columns] = q
        pin.forwardKinematics(self._model, self._data, self._q)
        places = np.array([pin.SE3ToXYZQUAT(place) for place in list(self._data.liMi)[1:]])
        return places[:, :3], places[:, [6, 3, 4, 5]]


def _kind(shape: pin.GeometryObject) -> str:
    return type(shape.geometry).__name__


def _primitive(model: pin.Model, shape: pin.GeometryObject, frame: str) -> Primitive:
    kind, geometry = _KINDS[_kind(shape)], shape.geometry
    size: tuple[float, ...]
    if kind == "box":
        size = tuple(2.0 * float(edge) for edge in geometry.halfSide)
    elif kind == "cylinder":
        size = (float(geometry.radius), 2.0 * float(geometry.halfLength))
    else:
        size = (float(geometry.radius),)
    link, place = model.frames[shape.parentFrame].name, pin.SE3ToXYZQUAT(shape.placement)
    return Primitive(f"{frame}/{shape.name}", link, kind, size, place[:3], place[[6, 3, 4, 5]])
