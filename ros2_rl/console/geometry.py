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
        name: link and number, unique.
        link: the link it belongs to.
        kind: ``box``, ``cylinder`` (axis z) or ``sphere``.
        size: box: edges x, y, z; cylinder: radius, height; sphere: radius; m.
    """

    name: str
    link: str
    kind: str
    size: tuple[float, ...]


class RobotGeometry:
    """Primitive shapes of a URDF and their poses.

    Attributes:
        primitives: the shapes, in the order of :meth:`poses`.
    """

    def __init__(self, urdf: Path, joints: tuple[str, ...]):
        """Read the URDF; ``joints`` names the columns of the positions.

        Raises:
            ConfigError: the URDF cannot be read or lacks one of the joints.
        """
        try:
            self._model = pin.buildModelFromUrdf(str(urdf))
            self._shapes = pin.buildGeomFromUrdf(self._model, str(urdf), pin.GeometryType.COLLISION)
        except (ValueError, RuntimeError) as error:
            raise ConfigError(f"{urdf} cannot be drawn ({error}); is it a URDF?") from error
        missing = [name for name in joints if not self._model.existJointName(name)]
        if missing:
            raise ConfigError(f"{urdf.name} has no joint {', '.join(missing)}; name joints of this URDF.")
        self._columns = [self._model.joints[self._model.getJointId(name)].idx_q for name in joints]
        self._data, self._geometry = self._model.createData(), pin.GeometryData(self._shapes)
        self._drawn = [i for i, o in enumerate(self._shapes.geometryObjects) if _kind(o) in _KINDS]
        self.primitives = [_primitive(self._model, self._shapes.geometryObjects[i]) for i in self._drawn]
        self._q = pin.neutral(self._model)

    def poses(self, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (P, 3), m, and quaternions (P, 4), wxyz, of the shapes in the base frame.

        Args:
            q: joint positions, (J,), rad, in the order of ``joints``.
        """
        self._q[self._columns] = q
        pin.updateGeometryPlacements(self._model, self._data, self._shapes, self._geometry, self._q)
        places = np.array([pin.SE3ToXYZQUAT(self._geometry.oMg[i]) for i in self._drawn])
        return places[:, :3], places[:, [6, 3, 4, 5]]


def _kind(shape: pin.GeometryObject) -> str:
    return type(shape.geometry).__name__


def _primitive(model: pin.Model, shape: pin.GeometryObject) -> Primitive:
    kind, geometry = _KINDS[_kind(shape)], shape.geometry
    size: tuple[float, ...]
    if kind == "box":
        size = tuple(2.0 * float(edge) for edge in geometry.halfSide)
    elif kind == "cylinder":
        size = (float(geometry.radius), 2.0 * float(geometry.halfLength))
    else:
        size = (float(geometry.radius),)
    return Primitive(shape.name, model.frames[shape.parentFrame].name, kind, size)
