"""The drives step by step: the PD law from one physics step to the next, delay, weak legs, time-out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ros2_rl.robots import JointCommand, load_robot
from ros2_rl.sim.drives import COMMAND_TIMEOUT_S
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import Plant

ROBOT = load_robot("go2")
STEP_NS = 2_500_000
ZEROS = np.zeros(12)
RNG = np.random.default_rng(3)


def make(**perturbations) -> Plant:
    """A plant that shows each physics step."""
    return Plant(ROBOT, Perturbations(**perturbations), state_rate_hz=400.0)


def command(plant: Plant, q=None, dq=ZEROS, tau=ZEROS, gains="policy") -> JointCommand:
    return JointCommand(plant.stamp_ns, ROBOT.stand_pose if q is None else q, dq, tau, gains)


def law(plant: Plant, given: JointCommand, strength=1.0) -> np.ndarray:
    """The torque that the drives owe for the present q and dq."""
    q, dq = plant.data.qpos[7:], plant.data.qvel[6:]
    gains = ROBOT.gains[given.gains]
    pd = gains.kp * (given.q - q) + gains.kd * (given.dq - dq)
    limit = ROBOT.tau_max * strength
    return np.clip(strength * (pd + given.tau), -limit, limit)


def test_torque_is_the_pd_law_of_each_physics_step():
    plant = make()
    for _ in range(60):
        start = plant.data.qpos[7:]
        given = command(plant, start + RNG.normal(0, 0.2, 12), RNG.normal(0, 2, 12), RNG.normal(0, 3, 12))
        plant.apply(given)
        owed = law(plant, given)
        plant.advance()
        assert np.allclose(plant.data.actuator_force, owed, atol=1e-9)


def test_between_two_commands_the_law_follows_the_joints():
    plant = Plant(ROBOT, state_rate_hz=200.0)
    given = command(plant)
    plant.apply(given)
    first = law(plant, given)
    plant.advance()  # two physics steps
    assert not np.allclose(plant.data.actuator_force, first, atol=0.1)


def test_a_weak_leg_loses_gain_and_limit_and_the_others_nothing():
    plant, strength = make(leg_strength={"RR": 0.5}), np.repeat((1.0, 1.0, 1.0, 0.5), 3)
    for tau in (ZEROS + 1.0, ZEROS + 300.0):
        given = command(plant, dq=ZEROS + 0.5, tau=tau)
        plant.apply(given)
        owed = law(plant, given, strength)
        plant.advance()
        assert np.allclose(plant.data.actuator_force, owed, atol=1e-9)
    assert np.allclose(plant.data.actuator_force[9:], 0.5 * ROBOT.tau_max[9:])


@pytest.mark.parametrize("gains", ROBOT.gains)
def test_each_gain_set_is_what_the_description_says(gains):
    plant = make()
    given = command(plant, plant.data.qpos[7:] + 0.05, gains=gains)
    plant.apply(given)
    owed = law(plant, given)
    plant.advance()
    assert np.allclose(plant.data.actuator_force, owed, atol=1e-9)


PLANT = make()


@settings(max_examples=12, deadline=None)
@given(delay_ms=st.floats(0, 60))
def test_the_delay_is_exact_in_physics_steps(delay_ms):
    plant = PLANT
    plant.reset()
    plant.set_perturbations(Perturbations(actuation_delay_ms=delay_ms))
    plant.advance()
    heard_ns = plant.stamp_ns
    plant.apply(command(plant))
    waited = 0
    while plant.drives.damped:
        plant.advance()
        waited += plant.drives.damped
    due = int(np.ceil(round(delay_ms * 1e6) / STEP_NS))
    assert waited == due
    assert plant.stamp_ns == heard_ns + (due + 1) * STEP_NS


def test_commands_keep_their_order_when_the_delay_shrinks():
    plant = make(actuation_delay_ms=20.0)
    plant.apply(command(plant, gains="stand"))
    plant.set_perturbations(Perturbations())
    plant.advance()
    plant.apply(command(plant, gains="policy"))
    seen = []
    for _ in range(10):
        plant.advance()
        seen.append(plant.drives.gains)
    assert seen[:7] == ["damping"] * 7 and seen[-1] == "policy"


def test_the_gains_in_force_follow_a_perturbation_without_a_new_command():
    plant = make()
    given = command(plant)
    plant.apply(given)
    plant.advance()
    plant.set_perturbations(Perturbations(leg_strength={"FL": 0.25}), plant.stamp_ns)
    owed = law(plant, given, np.repeat((0.25, 1.0, 1.0, 1.0), 3))
    plant.advance()
    assert np.allclose(plant.data.actuator_force, owed, atol=1e-9)


def test_without_a_command_for_a_tenth_of_a_second_the_joints_are_damped():
    plant = make()
    plant.apply(command(plant))
    steps = round(COMMAND_TIMEOUT_S * 400)
    for _ in range(steps):
        plant.advance()
    assert plant.drives.timeouts == 0 and plant.drives.gains == "policy"
    velocity = plant.data.qvel[6:].copy()
    plant.advance()
    assert plant.drives.timeouts == 1 and plant.drives.gains == "damping"
    owed = np.clip(-ROBOT.gains["damping"].kd * velocity, -ROBOT.tau_max, ROBOT.tau_max)
    assert np.allclose(plant.data.actuator_force, owed, atol=1e-9)
    for _ in range(100):
        plant.advance()
    assert plant.drives.timeouts == 1
    plant.apply(command(plant))
    plant.advance()
    assert plant.drives.gains == "policy"


def test_rejected_commands_do_not_keep_the_drives_awake():
    plant = make()
    plant.apply(command(plant))
    for _ in range(60):
        plant.apply(command(plant, np.full(12, np.nan)))
        plant.advance()
    assert plant.drives.timeouts == 1 and plant.drives.rejected == 60
