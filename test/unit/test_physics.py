"""What the perturbations do to the physics: friction, payload, rough ground; and who counts as fallen."""

import mujoco
import numpy as np
import pytest

from ros2_rl.robots import JointCommand, load_robot, projected_gravity
from ros2_rl.sim.perturbations import Perturbations, SensorNoise
from ros2_rl.sim.plant import Plant
from ros2_rl.sim.sensors import Sensors, turned

ROBOT = load_robot("go2")
ZERO = np.zeros(12)
SILENT = SensorNoise(gyro=0, accel=0, orientation=0, q=0, dq=0, tau=0, foot_force=0, accel_bias=0)


def stand(plant: Plant, states: int) -> None:
    for _ in range(states):
        plant.apply(JointCommand(plant.stamp_ns, ROBOT.stand_pose, ZERO, ZERO, "stand"))
        plant.advance()


def on_its_feet(plant: Plant) -> Plant:
    qpos = np.zeros(19)
    qpos[2], qpos[3], qpos[7:] = ROBOT.stand_height, 1.0, ROBOT.stand_pose
    plant.place(qpos)
    stand(plant, 100)
    return plant


def slide(friction: float) -> float:
    """How far a foot goes when a standing robot is shoved, m."""
    plant = on_its_feet(Plant(ROBOT, Perturbations(friction=friction)))
    before = plant.data.geom("FL_foot").xpos[0]
    plant.push(np.array((0.6, 0.0, 0.0)))
    stand(plant, 100)
    return plant.data.geom("FL_foot").xpos[0] - before


def test_friction_decides_how_far_the_feet_slide():
    assert slide(0.8) < 0.02
    assert slide(0.1) > 0.1


def inertia_about_origin(model: mujoco.MjModel) -> np.ndarray:
    """Of the trunk, body axes, shape (3, 3)."""
    body, turn = model.body(ROBOT.base_link).id, np.zeros(9)
    mujoco.mju_quat2Mat(turn, model.body_iquat[body])
    axes, arm = turn.reshape(3, 3), model.body_ipos[body]
    own = axes @ np.diag(model.body_inertia[body]) @ axes.T
    return own + model.body_mass[body] * (arm @ arm * np.eye(3) - np.outer(arm, arm))


def test_a_payload_adds_the_inertia_of_a_point_mass():
    offset, mass = np.array((0.1, 0.05, 0.08)), 3.0
    plain = Plant(ROBOT)
    laden = Plant(ROBOT, Perturbations(payload_kg=mass, payload_offset=tuple(offset)))
    point = mass * (offset @ offset * np.eye(3) - np.outer(offset, offset))
    expected = inertia_about_origin(plain.model) + point
    assert np.allclose(inertia_about_origin(laden.model), expected, atol=1e-9)
    assert laden.model.body_mass.sum() == pytest.approx(plain.model.body_mass.sum() + mass)


def test_a_payload_that_goes_leaves_the_model_as_it_was():
    plant = Plant(ROBOT)
    before = inertia_about_origin(plant.model)
    for gap in (Perturbations(payload_kg=5.0, friction=0.2), Perturbations()):
        plant.set_perturbations(gap, plant.stamp_ns)
        plant.advance()
    assert np.allclose(inertia_about_origin(plant.model), before, atol=1e-12)
    assert np.allclose(plant.model.geom_friction[:, 0], Perturbations().friction)


def test_height_over_rough_ground_is_exact_at_the_grains():
    plant = Plant(ROBOT, Perturbations(terrain_roughness_m=0.05))
    rows, columns = plant.model.hfield_nrow[0], plant.model.hfield_ncol[0]
    bumps = plant.model.hfield_data.reshape(rows, columns) * plant.model.hfield_size[0][2]
    half = plant.model.hfield_size[0][0]
    for row, column in ((60, 70), (64, 64), (90, 30)):
        qpos = plant.data.qpos.copy()
        qpos[:3] = -half + 2 * half * column / (columns - 1), -half + 2 * half * row / (rows - 1), 0.5
        plant.place(qpos)
        assert plant.truth().position[2] == pytest.approx(0.5 - bumps[row, column], abs=1e-6)


def test_a_falling_robot_feels_no_gravity_and_its_imu_says_how_it_is_tilted():
    plant = Plant(ROBOT, Perturbations(noise=SILENT))
    qpos, qvel = plant.data.qpos.copy(), np.zeros(18)
    qpos[2:7] = 5.0, np.cos(0.2), np.sin(0.2), 0.0, 0.0  # rolled to the right by 0.4 rad
    qvel[5] = 0.3
    plant.place(qpos, qvel)
    state = plant.state()
    assert np.allclose(state.accel, 0.0, atol=0.3)
    assert np.allclose(projected_gravity(state.quat), (0.0, -np.sin(0.4), -np.cos(0.4)))
    assert np.array_equal(state.gyro, (0.0, 0.0, 0.3))


def test_it_has_fallen_beyond_sixty_degrees():
    plant = Plant(ROBOT)
    for degrees, fallen in ((0, False), (59, False), (61, True), (180, True)):
        half = np.radians(degrees) / 2
        plant.data.qpos[3:7] = np.cos(half), 0.0, np.sin(half), 0.0
        assert plant.fallen is fallen


def test_a_small_turn_is_a_rotation_in_the_body_frame():
    quarter = np.sqrt(0.5)
    quat = turned(np.array((quarter, 0.0, 0.0, quarter)), np.array((0.01, 0.0, 0.0)))
    assert np.linalg.norm(quat) == pytest.approx(1.0)
    assert np.allclose(projected_gravity(quat), (0.0, -0.01, -1.0), atol=1e-4)


def test_all_sensors_have_the_noise_of_their_figures():
    plant, rng, noise = on_its_feet(Plant(ROBOT)), np.random.default_rng(0), SensorNoise()
    sensors = Sensors(ROBOT, plant.model)
    clean = sensors.measure(plant.data, 0, SILENT, rng)
    seen = [sensors.measure(plant.data, 0, noise, rng) for _ in range(2000)]
    for name, deviation, bias in (("tau", noise.tau, 0.0), ("accel", 0.15, 0.05), ("foot_force", 3.0, 0.0)):
        error = np.array([getattr(state, name) for state in seen]) - getattr(clean, name)
        assert np.allclose(error.std(axis=0), deviation, rtol=0.08), name
        assert np.allclose(error.mean(axis=0), bias, atol=4.5 * deviation / np.sqrt(2000)), name
    tilts = np.array([projected_gravity(s.quat) - projected_gravity(clean.quat) for s in seen])
    assert np.allclose(tilts[:, :2].std(axis=0), noise.orientation, rtol=0.08)
