"""The table of an arm in MuJoCo: a puck to push, or a block with a hole for the peg.

The table's top is the plane z = 0 of the arm's base. What lies on it is placed anew in every episode.
"""

import math

import mujoco

from ros2_rl.manipulation.task import ArmTask
from ros2_rl.robots import RobotDescription
from ros2_rl.sim.model import robot_spec

TABLE, PUCK, BLOCK = "table", "puck", "block"
PUCK_RADIUS, PUCK_HEIGHT, PUCK_KG = 0.03, 0.03, 0.2
HOLE_RADIUS, HOLE_DEPTH, BLOCK_HEIGHT = 0.011, 0.04, 0.05
"""2 mm wider than the peg, m."""
_WALL = 0.04
_SIDES = 8
_FRICTION = {TABLE: 0.4, PUCK: 0.4, BLOCK: 0.2}
"""Sliding friction against the puck, the table and the polished block."""
_ITERATIONS, _LINE_SEARCHES = 50, 20
"""Of the contact solver; with the few that legs get by with, the peg bounces on the block."""


def build_arm_model(robot: RobotDescription, task: ArmTask | None, physics_dt: float) -> mujoco.MjModel:
    """Compile the arm at its table, with what the task needs on it.

    Names in the model: joints, actuators and links as in the robot's URDF; the table ``table``, the
    puck ``puck`` (a free body) and the block ``block`` (placed by mocap), both with their origin at its top.
    """
    spec = robot_spec(robot, physics_dt)
    spec.option.iterations, spec.option.ls_iterations = _ITERATIONS, _LINE_SEARCHES
    for geom in spec.geoms:
        geom.friction[0] = _FRICTION[BLOCK]
    table = spec.worldbody.add_geom(name=TABLE, type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1])
    table.contype, table.conaffinity, table.friction[0] = 1, 0, _FRICTION[TABLE]
    if task is not None and task.scene == "puck":
        _add_puck(spec)
    elif task is not None and task.scene == "hole":
        _add_block(spec)
    return spec.compile()


def _add_puck(spec: mujoco.MjSpec) -> None:
    body = spec.worldbody.add_body(name=PUCK)
    body.add_freejoint(name=PUCK)
    puck = body.add_geom(
        name=PUCK,
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[PUCK_RADIUS, PUCK_HEIGHT / 2, 0],
        pos=[0, 0, PUCK_HEIGHT / 2],
        mass=PUCK_KG,
    )
    puck.contype, puck.conaffinity, puck.friction[0], puck.condim = 1, 1, _FRICTION[PUCK], 4


def _add_block(spec: mujoco.MjSpec) -> None:
    """A hole with eight straight walls around its inscribed circle, and a floor."""
    body = spec.worldbody.add_body(name=BLOCK, mocap=True)
    box, middle = mujoco.mjtGeom.mjGEOM_BOX, BLOCK_HEIGHT - HOLE_DEPTH / 2
    half_width = (HOLE_RADIUS + _WALL) * math.tan(math.pi / _SIDES)
    for side in range(_SIDES):
        angle = 2 * math.pi * side / _SIDES
        away = HOLE_RADIUS + _WALL / 2
        wall = body.add_geom(type=box, size=[_WALL / 2, half_width, HOLE_DEPTH / 2])
        wall.pos = [away * math.cos(angle), away * math.sin(angle), middle]
        wall.quat = [math.cos(angle / 2), 0, 0, math.sin(angle / 2)]
    thickness = BLOCK_HEIGHT - HOLE_DEPTH
    body.add_geom(type=box, size=[_WALL, _WALL, thickness / 2], pos=[0, 0, thickness / 2])
    for geom in body.geoms:
        geom.contype, geom.conaffinity, geom.friction[0] = 1, 0, _FRICTION[BLOCK]
