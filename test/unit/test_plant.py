"""The simulated robot: the torque law at each physics step, delays, time-outs, noise and the truth."""

import mujoco
import numpy as np
import pytest

from ros2_rl.robots import JointCommand, load_robot, projected_gravity
from ros2_rl.sim.perturbations import Perturbations, SensorNoise
from ros2_rl.sim.plant import Plant

ROBOT = load_robot("go2")
STATE_NS, PHYSICS_NS = 5_000_000, 2_500_000
ZERO = np.zeros(12)
QUIET = SensorNoise(
    gyro=0, accel=0, orientation=0, q=0, dq=0, tau=0, foot_force=0, accel_bias=0
)  # fmt: skip


def quiet(**gap) -> Plant:
    return Plant(ROBOT, Perturbations(noise=QUIET, **gap))


def command(plant: Plant, q=ROBOT.stand_pose, dq=ZERO, tau=ZERO, gains="stand") -> JointCommand:
    return JointCommand(plant.stamp_ns, np.array(q, dtype=float), np.array(dq), np.array(tau), gains)


def stand(plant: Plant, states: int = 400) -> None:
    for i in range(states):
        share = min(2 * i / states, 1.0)
        plant.apply(command(plant, ROBOT.fold_pose + share * (ROBOT.stand_pose - ROBOT.fold_pose)))
        plant.advance()


def torques(plant: Plant) -> np.ndarray:
    """What the drives do at the present state."""
    plant.drives.update(plant.stamp_ns)
    mujoco.mj_forward(plant.model, plant.data)
    return plant.data.actuator_force.copy()


def test_the_torque_is_the_pd_law_with_all_its_parts_clipped_at_the_legs_limit():
    plant = quiet(gain_scale=0.7, leg_strength={"RR": 0.5, "FL": 1.2})
    stand(plant, 50)
    rng = np.random.default_rng(0)
    strength = np.repeat([1.2, 1.0, 1.0, 0.5], 3)
    gains, clipped = ROBOT.gains["policy"], 0
    for reach in (0.2, 1.5):
        q = plant.data.qpos[7:] + rng.uniform(-reach, reach, 12)
        dq, tau = rng.uniform(-2, 2, 12), rng.uniform(-3, 3, 12)
        plant.apply(command(plant, q, dq, tau, "policy"))
        error, rate = q - plant.data.qpos[7:], dq - plant.data.qvel[6:]
        law = strength * (0.7 * (gains.kp * error + gains.kd * rate) + tau)
        expected = np.clip(law, -strength * ROBOT.tau_max, strength * ROBOT.tau_max)
        clipped += int((law != expected).sum())
        np.testing.assert_allclose(torques(plant), expected, atol=1e-9)
    assert 0 < clipped < 24


def test_the_pd_loop_runs_at_every_physics_step():
    fine, coarse = (Plant(ROBOT, state_rate_hz=rate) for rate in (400.0, 50.0))
    for plant in (fine, coarse):
        plant.apply(command(plant, ROBOT.fold_pose + 0.2))
    for _ in range(8):
        fine.advance()
    coarse.advance()
    assert fine.stamp_ns == coarse.stamp_ns == 20_000_000
    np.testing.assert_array_equal(fine.data.qpos, coarse.data.qpos)


def test_without_commands_the_joints_are_damped_and_a_command_ends_that():
    plant = quiet()
    plant.apply(command(plant))
    for _ in range(20):
        plant.advance()
    assert (plant.drives.gains, plant.drives.timeouts) == ("stand", 0)
    for _ in range(40):
        plant.advance()
    assert (plant.drives.gains, plant.drives.timeouts) == ("damping", 1)
    plant.data.qvel[6:] = 1.0
    np.testing.assert_allclose(torques(plant), -ROBOT.gains["damping"].kd)
    plant.apply(command(plant))
    plant.advance()
    assert plant.drives.gains == "stand"


@pytest.mark.parametrize(
    "part, value", [("q", np.nan), ("dq", np.inf), ("tau", -np.inf), ("gains", "soft"), ("q", None)]
)
def test_a_bad_command_is_rejected_counted_and_changes_nothing(part, value):
    plant = quiet()
    bad = command(plant)
    if part == "gains":
        bad.gains = value
    elif value is None:
        bad.q = np.zeros(3)
    else:
        getattr(bad, part)[5] = value
    assert not plant.apply(bad)
    plant.advance()
    assert plant.drives.rejected == 1 and plant.drives.gains == "damping"
    assert np.isfinite(plant.data.qpos).all()


def test_positions_beyond_the_limits_are_counted_with_the_worst():
    plant = quiet()
    q = ROBOT.q_upper.copy()
    q[2] += 0.25
    plant.apply(command(plant, q))
    plant.apply(command(plant, ROBOT.q_lower))
    plant.apply(command(plant, q, gains="damping"))
    assert plant.drives.out_of_limits == 1
    assert plant.drives.worst_excess == pytest.approx(0.25)
    assert plant.drives.worst_command is not None
    np.testing.assert_array_equal(plant.drives.worst_command.q, q)


def test_a_gap_begins_at_its_stamp_and_ends_at_its_stamp():
    plant, gap = quiet(), Perturbations(noise=QUIET, payload_kg=3.0, leg_strength={"RR": 0.5})
    mass = plant.model.body("base_link").mass[0]
    plant.set_perturbations(gap, 4 * STATE_NS)
    plant.set_perturbations(Perturbations(noise=QUIET), 8 * STATE_NS)
    masses = []
    for _ in range(10):
        plant.apply(command(plant))
        plant.advance()
        masses.append(plant.model.body("base_link").mass[0] - mass)
    # The element i was simulated from the state i to the state i + 1.
    np.testing.assert_allclose(masses, [0, 0, 0, 0, 3, 3, 3, 3, 0, 0], atol=1e-12)
    np.testing.assert_allclose(plant.model.actuator_forcerange[:, 1], ROBOT.tau_max)


def test_the_payload_moves_the_centre_of_mass_and_presses_on_the_feet():
    light, laden = quiet(), quiet(payload_kg=3.0, payload_offset=(0.1, 0.0, 0.06))
    for plant in (light, laden):
        stand(plant)
    force = [plant.state().foot_force.sum() for plant in (light, laden)]
    assert force[1] - force[0] == pytest.approx(3.0 * 9.81, rel=0.05)
    assert force[0] == pytest.approx(light.model.body_mass.sum() * 9.81, rel=0.03)
    assert laden.state().foot_force[:2].sum() > light.state().foot_force[:2].sum() + 15.0


def test_a_standing_robot_measures_gravity_and_its_own_pose():
    plant = quiet()
    stand(plant)
    state = plant.state()
    np.testing.assert_allclose(state.accel, (0, 0, 9.81), atol=0.3)
    np.testing.assert_allclose(state.q, plant.data.qpos[7:])
    np.testing.assert_allclose(projected_gravity(state.quat), (0, 0, -1), atol=0.03)
    assert state.tau[1::3].any() and np.abs(state.gyro).max() < 0.05


def test_the_truth_has_velocities_in_the_base_frame():
    plant = quiet()
    turned_left, qvel = plant.data.qpos.copy(), np.zeros(18)
    turned_left[2:7] = (0.5, np.sqrt(0.5), 0, 0, np.sqrt(0.5))
    qvel[:6] = (0.0, 1.0, 0.2, 0.0, 0.0, 0.7)
    plant.place(turned_left, qvel)
    truth = plant.truth()
    np.testing.assert_allclose(truth.lin_vel, (1.0, 0.0, 0.2), atol=1e-12)
    np.testing.assert_allclose(truth.ang_vel, (0.0, 0.0, 0.7), atol=1e-12)
    assert truth.position[2] == pytest.approx(0.5) and not truth.contacts.any()


def test_on_rough_ground_the_height_is_that_above_the_ground():
    plant = quiet(terrain_roughness_m=0.1)
    qpos, heights = plant.data.qpos.copy(), []
    for x in np.linspace(-1, 1, 9):
        qpos[:3] = (x, 0.3, 1.0)
        plant.place(qpos)
        heights.append(1.0 - plant.truth().position[2])
    assert 0.0 <= min(heights) < max(heights) <= 0.1 and np.ptp(heights) > 0.01
    with pytest.raises(ValueError, match="terrain"):
        plant.set_perturbations(Perturbations(terrain_roughness_m=0.05))


@pytest.mark.parametrize("roughness", [0.01, 0.05])
def test_on_rough_ground_no_foot_is_wedged_in_a_bump(roughness):
    plant = quiet(terrain_roughness_m=roughness)
    weight = 9.81 * plant.model.body_subtreemass[1]
    for _ in range(20):
        plant.advance()
        assert plant.state().foot_force.sum() < weight


def test_noise_has_the_size_it_is_said_to_have_and_a_state_is_measured_once():
    plant = Plant(ROBOT, Perturbations(noise=SensorNoise(q=0.01, dq=0.3, gyro=0.05, q_bias=0.1)))
    assert plant.state() is plant.state()
    qpos, states = plant.data.qpos[7:].copy(), []
    for _ in range(300):
        plant.place(plant.data.qpos.copy())
        states.append(plant.state())
    q = np.array([state.q for state in states]) - qpos
    assert q.mean() == pytest.approx(0.1, abs=0.001) and q.std() == pytest.approx(0.01, rel=0.1)
    assert np.std([state.dq for state in states]) == pytest.approx(0.3, rel=0.1)
    assert np.std([state.gyro for state in states]) == pytest.approx(0.05, rel=0.1)
    assert min(state.foot_force.min() for state in states) >= 0.0


def test_the_same_seed_and_commands_give_the_same_states_bit_for_bit():
    gap = Perturbations(actuation_delay_ms=20, message_loss=0.2)
    plants = [Plant(ROBOT, gap, seed=seed) for seed in (3, 3, 4)]
    lost = []
    for plant in plants:
        stand(plant, 40)
        lost.append([(plant.advance(), plant.lost)[1] for _ in range(100)])
    q = [plant.state().q for plant in plants]
    np.testing.assert_array_equal(q[0], q[1])
    assert (q[0] != q[2]).any()
    assert lost[0] == lost[1] != lost[2] and 5 < sum(lost[0]) < 40


def test_lay_down_puts_it_on_its_belly_while_time_goes_on_and_reset_begins_anew():
    plant = quiet(actuation_delay_ms=20)
    fresh = plant.state()
    stand(plant)
    assert plant.truth().position[2] > 0.24
    plant.apply(command(plant))
    stamp = plant.stamp_ns
    plant.lay_down()
    for _ in range(20):
        plant.advance()
    assert plant.stamp_ns == stamp + 20 * STATE_NS and plant.drives.gains == "damping"
    assert plant.truth().position[2] < 0.12 and not plant.fallen
    plant.reset()
    np.testing.assert_array_equal(plant.state().q, fresh.q)
    assert plant.stamp_ns == 0


def test_state_rates_that_do_not_divide_the_physics_rate_are_refused():
    with pytest.raises(ValueError, match="state_rate_hz 300"):
        Plant(ROBOT, state_rate_hz=300.0)
