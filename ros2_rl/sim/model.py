"""The MuJoCo model of a robot, compiled from its URDF, the one robot description.

The URDF gives links, joints and collision shapes; this file adds what a simulator needs:
a free base (or none), a floor, PD actuators (so that the PD loop runs at every physics step) and sensors.
"""

import xml.etree.ElementTree as ET

import mujoco
import numpy as np

from ros2_rl.robots import RobotDescription

FLOOR = "floor"
FRICTION = 0.8
"""Sliding friction between a foot and the floor in the nominal model."""
_GRAINS = 128
_TERRAIN_SIZE = 8.0  # half width of the rough ground, m


def build_model(
    robot: RobotDescription, physics_dt: float = 0.0025, *, terrain_roughness: float = 0.0
) -> mujoco.MjModel:
    """Compile a legged robot on a floor.

    Names in the model: joints and actuators as in ``robot.joints`` (actuators in robot order),
    foot geoms as in ``robot.feet``, the floor ``floor``, the base's free joint ``base``. Sensors:
    ``quat``, ``gyro``, ``accel``, ``linvel`` (base frame), and one touch sensor a foot, named as
    the foot.

    Args:
        robot: the robot.
        physics_dt: physics time step, s.
        terrain_roughness: height of the random bumps of the ground, m; 0 is a plane.
    """
    spec = robot_spec(robot, physics_dt)
    _add_floor(spec, terrain_roughness)
    _add_sensors(spec, robot)
    return spec.compile()


def robot_spec(robot: RobotDescription, physics_dt: float) -> mujoco.MjSpec:
    """The robot with its drives, with nothing around it yet."""
    spec = mujoco.MjSpec.from_string(_urdf_for_mujoco(robot))
    spec.option.timestep = physics_dt
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.iterations = 8
    spec.option.ls_iterations = 10
    _shape_contacts(spec, robot)
    _add_actuators(spec, robot)
    if robot.gravity_compensated:
        for body in spec.bodies:
            body.gravcomp = 1.0
    return spec


def set_gains(model: mujoco.MjModel, kp: np.ndarray, kd: np.ndarray) -> None:
    """Set the PD gains of all actuators, each of shape (J,)."""
    model.actuator_gainprm[:, 0] = kp
    model.actuator_biasprm[:, 1] = -kp
    model.actuator_biasprm[:, 2] = -kd


def _urdf_for_mujoco(robot: RobotDescription) -> str:
    """The URDF as text, with what MuJoCo's importer needs to keep links apart and a free base moving."""
    root = ET.parse(robot.urdf).getroot()
    extension = ET.SubElement(root, "mujoco")
    ET.SubElement(extension, "compiler", fusestatic="false", discardvisual="true")
    if robot.floating:
        ET.SubElement(root, "link", name="world")
        joint = ET.SubElement(root, "joint", name="base", type="floating")
        ET.SubElement(joint, "parent", link="world")
        ET.SubElement(joint, "child", link=robot.base_link)
    return ET.tostring(root, encoding="unicode")


def _shape_contacts(spec: mujoco.MjSpec, robot: RobotDescription) -> None:
    """Only floor contacts (self-collision is left out for speed); the feet's friction decides."""
    for joint in spec.joints:
        if joint.name in robot.joints:
            # MuJoCo keeps polynomial coefficients for damping; the first is the linear one.
            joint.damping = np.array([robot.joint_damping, 0.0, 0.0])[: np.size(joint.damping)]
            joint.armature = robot.armature
            joint.frictionloss = robot.joint_friction
            joint.actfrclimited = mujoco.mjtLimited.mjLIMITED_FALSE
    for geom in spec.geoms:
        geom.contype, geom.conaffinity = 0, 1
        geom.friction[0] = FRICTION
        if geom.parent.name in robot.feet:
            geom.name = geom.parent.name
            geom.priority = 1
            geom.condim = 3


def _add_floor(spec: mujoco.MjSpec, roughness: float) -> None:
    floor = spec.worldbody.add_geom(name=FLOOR, contype=1, conaffinity=0)
    floor.friction[0] = FRICTION
    if roughness <= 0.0:
        floor.type = mujoco.mjtGeom.mjGEOM_PLANE
        floor.size = [0, 0, 1]
        return
    bumps = np.random.default_rng(0).random((_GRAINS, _GRAINS))
    spec.add_hfield(
        name="bumps",
        nrow=_GRAINS,
        ncol=_GRAINS,
        size=[_TERRAIN_SIZE, _TERRAIN_SIZE, roughness, 0.1],
        userdata=bumps.ravel().tolist(),
    )
    floor.type = mujoco.mjtGeom.mjGEOM_HFIELD
    floor.hfieldname = "bumps"


def _add_actuators(spec: mujoco.MjSpec, robot: RobotDescription) -> None:
    """One general actuator a joint: force = kp (ctrl - q) - kd dq, clipped at the torque limit."""
    gains = robot.gains["policy"]
    for i, name in enumerate(robot.joints):
        actuator = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.gaintype = mujoco.mjtGain.mjGAIN_FIXED
        actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        actuator.gainprm[0] = gains.kp[i]
        actuator.biasprm[1], actuator.biasprm[2] = -gains.kp[i], -gains.kd[i]
        actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE
        actuator.forcerange = [-robot.tau_max[i], robot.tau_max[i]]
        actuator.ctrllimited = mujoco.mjtLimited.mjLIMITED_FALSE


def _add_sensors(spec: mujoco.MjSpec, robot: RobotDescription) -> None:
    spec.body(robot.imu_link).add_site(name="imu")
    spec.body(robot.base_link).add_site(name="base")
    site = mujoco.mjtObj.mjOBJ_SITE
    for name, kind, where in (
        ("quat", mujoco.mjtSensor.mjSENS_FRAMEQUAT, "base"),
        ("gyro", mujoco.mjtSensor.mjSENS_GYRO, "imu"),
        ("accel", mujoco.mjtSensor.mjSENS_ACCELEROMETER, "imu"),
        ("linvel", mujoco.mjtSensor.mjSENS_VELOCIMETER, "base"),
    ):
        spec.add_sensor(name=name, type=kind, objtype=site, objname=where)
    for foot in robot.feet:
        radius = 1.5 * robot.foot_radius  # a touch sensor feels the contacts inside its site
        spec.body(foot).add_site(name=foot, size=[radius] * 3)
        spec.add_sensor(name=foot, type=mujoco.mjtSensor.mjSENS_TOUCH, objtype=site, objname=foot)
