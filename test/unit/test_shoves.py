"""Shoves of an evaluation: one an episode, the same for one seed, and given by the plant at their stamps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.learning.phase import EVALUATE, IDLE, TRAIN, Phase
from ros2_rl.robots import load_robot
from ros2_rl.sim.gap_switch import GapSwitch
from ros2_rl.sim.perturbations import Perturbations
from ros2_rl.sim.plant import Plant
from ros2_rl.sim.shoves import shoves
from ros2_rl.tasks.clock import STEP_NS

LOOK = Phase(EVALUATE, 500 * STEP_NS, seed=3, episodes=4, shove_m_s=0.4)


@given(st.integers(0, 10_000), st.integers(0, 10**6), st.integers(1, 16), st.floats(0.1, 3.0))
def test_one_an_episode_in_its_middle_on_a_control_step(start, seed, episodes, speed):
    phase = replace(LOOK, start_ns=start * STEP_NS, seed=seed, episodes=episodes, shove_m_s=speed)
    found = shoves(phase)
    assert [(ns // STEP_NS - start) // phase.episode_steps for ns, _ in found] == list(range(episodes))
    for stamp_ns, velocity in found:
        part = ((stamp_ns // STEP_NS - start) % phase.episode_steps) / phase.episode_steps
        assert stamp_ns % STEP_NS == 0 and 0.3 <= part <= 0.6
        assert velocity[2] == 0.0 and np.linalg.norm(velocity) == pytest.approx(speed)
    again = shoves(phase)
    assert all(a[0] == b[0] and (a[1] == b[1]).all() for a, b in zip(found, again, strict=True))


def test_nobody_is_shoved_who_does_not_ask_for_it():
    assert shoves(replace(LOOK, shove_m_s=0.0)) == []
    assert shoves(replace(LOOK, name=TRAIN)) == [] == shoves(replace(LOOK, name=IDLE))


def test_the_phase_carries_it_and_an_older_message_has_none():
    values = LOOK.to_values()
    assert Phase.from_values(EVALUATE, values) == LOOK
    del values["shove_m_s"]
    assert Phase.from_values(EVALUATE, values) == replace(LOOK, shove_m_s=0.0)


def lying_plant() -> Plant:
    plant = Plant(load_robot("go2"))
    plant.place(plant.data.qpos + np.array([0, 0, 2.0, *16 * [0.0]]))  # in the air, where nothing else pushes
    return plant


def test_the_plant_shoves_at_the_stamp_and_once():
    plant = lying_plant()
    speeds = []
    plant.plan_shoves([(20_000_000, np.array((0.0, 0.5, 0.0)))], 0)
    while plant.stamp_ns < 60_000_000:
        plant.advance()
        speeds.append((plant.stamp_ns, round(float(plant.data.qvel[1]), 2)))
    assert [v for stamp, v in speeds if stamp <= 20_000_000] == pytest.approx([0.0] * 4, abs=0.02)
    assert [v for stamp, v in speeds if stamp > 20_000_000] == pytest.approx([0.5] * 8, abs=0.02)


def test_a_new_plan_takes_the_place_of_the_old_one_from_its_beginning_on():
    plant, one, two = lying_plant(), np.array((0.0, 0.1, 0.0)), np.array((0.0, 0.2, 0.0))
    plant.plan_shoves([(0, one), (20_000_000, one)], 0)
    plant.plan_shoves([(30_000_000, two)], 10_000_000)
    while plant.stamp_ns < 40_000_000:
        plant.advance()
    assert plant.data.qvel[1] == pytest.approx(0.3, abs=0.02)
    plant.plan_shoves([(50_000_000, two)], 0)
    plant.reset()
    assert plant._shoves == []


def test_a_phase_of_the_graph_is_shoved_at_the_plants_own_stamps():
    plant = lying_plant()
    switch = GapSwitch(plant, Perturbations(), on=False)
    switch.offset_ns = 400 * STEP_NS
    switch.on_phase(LOOK)
    asked = [ns - switch.offset_ns for ns, _ in shoves(LOOK)]
    assert [ns for ns, _ in plant._shoves] == asked
    switch.on_phase(Phase(TRAIN, LOOK.start_ns))
    assert plant._shoves == []


def test_a_gap_that_is_refused_leaves_the_one_before():
    switch = GapSwitch(lying_plant(), Perturbations(), on=True)
    with pytest.raises(ValueError, match="rough"):
        switch.change(Perturbations(terrain_roughness_m=0.03, payload_kg=2.0))
    assert switch.gap == Perturbations()
