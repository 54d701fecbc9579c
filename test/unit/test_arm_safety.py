"""An arm under its supervisor: the box holds whatever is asked for, and what is pressed is let go."""

from dataclasses import replace

import numpy as np
import pytest
from arm_rig import BOX, HIGH, LOW, ROBOT, SAFETY, Rig, target
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ros2_rl.errors import ConfigError
from ros2_rl.safety.config import _check_complete, parse_safety
from ros2_rl.safety.modes import Mode
from ros2_rl.safety.reaction import Reaction, Verdict
from ros2_rl.safety.workspace import WorkspaceFence, straight

EXAMPLES = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
FENCE = WorkspaceFence(ROBOT, BOX)
seeds = st.integers(0, 2**32 - 1)


def test_it_stands_up_and_gives_the_policy_the_arm():
    rig = Rig().begin()
    snapshot = rig.supervisor.snapshot()
    assert snapshot.mode is Mode.POLICY and snapshot.tripped == () and snapshot.falls == 0


@EXAMPLES
@given(seeds, st.sampled_from(("wild", "lasting", "beyond")))
def test_no_action_leads_out_of_the_box(seed, kind):
    rig, rng = Rig("reach").begin(), np.random.default_rng(seed)
    lasting = rng.choice((-1.0, 1.0), 3)
    for _ in range(40):
        rig.act({"wild": rng.uniform(-1, 1, 3), "lasting": lasting, "beyond": 50.0 * lasting}[kind])
    assert rig.outermost == 0.0
    assert rig.mode is Mode.POLICY and rig.supervisor.snapshot().events == 0


@EXAMPLES
@given(seeds)
def test_no_joint_targets_lead_out_of_the_box_either(seed):
    """A policy that does not go through the inverse kinematics, for good or in leaps."""
    rig, rng = Rig("reach").begin(), np.random.default_rng(seed)
    q = rng.uniform(ROBOT.q_lower, ROBOT.q_upper)
    for i in range(100):
        if i % 25 == 24:
            q = rng.uniform(ROBOT.q_lower, ROBOT.q_upper)
        speed = rng.uniform(-10, 10, 7)
        rig.tick(target(rig.plant.stamp_ns, q, speed) if rig.mode is Mode.POLICY else None)
    assert rig.outermost <= 0.04  # the commands stay inside, the momentum of the arm does not


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_the_fence_cuts_a_step_short_and_no_more(seed):
    rng = np.random.default_rng(seed)
    before = ROBOT.stand_pose + rng.uniform(-0.1, 0.1, 7)
    asked = target(0, before + rng.uniform(-0.3, 0.3, 7), rng.uniform(-1, 1, 7))
    allowed = FENCE.limit(asked, before, asked.q)
    outside = FENCE.outside(before)
    assert FENCE.outside(allowed.q) <= outside + 1e-12
    gains = ROBOT.gains["policy"]
    if max(FENCE.outside(asked.q), FENCE.outside(asked.q + gains.kd * asked.dq / gains.kp)) <= outside:
        assert allowed is asked
    else:
        assert not allowed.dq.any() and not allowed.tau.any()


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_a_step_taken_straight_keeps_every_joints_own_bounds(seed):
    rng = np.random.default_rng(seed)
    before, wanted = rng.uniform(-1, 1, 7), rng.uniform(-1, 1, 7)
    bounded = np.clip(wanted, before - rng.uniform(0, 1, 7), before + rng.uniform(0, 1, 7))
    step = straight(bounded, before, wanted)
    np.testing.assert_allclose(np.cross(step[:3], (wanted - before)[:3]), 0.0, atol=1e-12)
    assert (np.abs(step) <= np.abs(bounded - before) + 1e-12).all()
    assert (step * (wanted - before) >= 0.0).all()
    assert not straight(bounded, before, np.full(7, np.nan)).any()


def at_the_edge(rng: np.random.Generator) -> np.ndarray:
    """Joint positions with the tool on a side of its box, (7,), rad."""
    inside = ROBOT.stand_pose + rng.uniform(-0.05, 0.05, 7)
    beyond = inside + rng.uniform(-0.6, 0.6, 7)
    if FENCE.outside(inside) or not FENCE.outside(beyond):
        return at_the_edge(rng)
    for _ in range(60):
        middle = (inside + beyond) / 2
        inside, beyond = (inside, middle) if FENCE.outside(middle) else (middle, beyond)
    return inside


def test_who_is_at_the_edge_comes_back_although_the_joints_bounds_bend_the_way():
    """Joints that may move so far each: the way that is left of a straight one may lead out, and did so."""
    bent = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        edge = at_the_edge(rng)
        wanted = edge + 0.1 * (ROBOT.stand_pose + rng.uniform(-0.05, 0.05, 7) - edge)
        bounded = np.clip(wanted, edge - 0.004, edge + 0.004)
        if FENCE.outside(edge + 0.01 * (wanted - edge)) or FENCE.outside(wanted):
            continue  # even the straight way leads along the edge or out of it
        bent += FENCE.outside(bounded) > 0
        allowed = FENCE.limit(target(0, bounded), edge, wanted)
        assert FENCE.outside(allowed.q) == 0.0 and np.abs(allowed.q - edge).max() > 1e-3, seed
    assert bent > 0


def test_an_action_that_is_no_number_holds_the_arm():
    rig = Rig().begin()
    for _ in range(5):
        rig.act(np.array((0.5, 0.0, 0.0)))
    rig.control.act(np.array((np.nan, 0.0, 0.0)), rig.plant.state())
    rig.tick(rig.control.tick(rig.plant.state()))
    snapshot = rig.supervisor.snapshot()
    assert snapshot.mode is Mode.STAND and "not finite" in snapshot.reason
    at = rig.plant.truth().tool
    for _ in range(20):
        rig.tick(None)
    np.testing.assert_allclose(rig.plant.truth().tool, at, atol=0.005)
    rig.act(np.zeros(3))
    assert rig.mode is Mode.POLICY


def press(rig: Rig, leash: bool, seconds: float = 2.0) -> list[Mode]:
    """Lead the tip into the block's top, with or without the leash of actions; the modes seen."""
    goal, modes = rig.plant.truth().goal + (0.03, 0.0, 0.0), []
    for _ in range(30):
        rig.control.go(goal + (0, 0, 0.02), 0.015, rig.plant.state())
        for _ in range(5):
            rig.tick(rig.control.tick(rig.plant.state()))
    q, lower = rig.plant.state().q, rig.control._ik
    place = rig.plant.truth().tool
    for i in range(round(seconds / 0.02)):
        if leash and i % 5 == 0 and rig.mode is Mode.POLICY:
            rig.control.act(np.array((0.0, 0.0, -1.0)), rig.plant.state())
        if leash:
            rig.tick(rig.control.tick(rig.plant.state()) if rig.mode is Mode.POLICY else None)
        else:
            place = place - (0, 0, 0.001)
            q = lower.step(q, place, rig.control._upright, 0.02)
            rig.tick(target(rig.plant.stamp_ns, q) if rig.mode is Mode.POLICY else None)
        modes.append(rig.mode)
    return modes


def test_who_presses_harder_than_allowed_is_held_and_lets_go():
    rig = Rig("peg").begin()
    modes = press(rig, leash=False, seconds=2.5)
    assert Mode.STAND in modes
    assert SAFETY.guards.contact_force.limit_n < rig.pushed < 3.0 * SAFETY.guards.contact_force.limit_n
    snapshot = rig.supervisor.snapshot()
    assert snapshot.events > 0 and snapshot.event == "contact force"
    for _ in range(10):
        rig.tick(None)
    assert rig.plant.contact_force() < 0.5 * SAFETY.guards.contact_force.limit_n


def test_the_leash_of_actions_presses_less_than_that():
    rig = Rig("peg").begin()
    modes = press(rig, leash=True)
    assert set(modes) == {Mode.POLICY}
    assert 5.0 < rig.plant.contact_force() < SAFETY.guards.contact_force.limit_n


def test_a_tool_that_is_pushed_out_of_its_box_is_held():
    rig = Rig().begin()
    for _ in range(15):
        rig.control.go(np.array((HIGH[0], 0.0, 0.2)), 0.015, rig.plant.state())
        for _ in range(5):
            rig.tick(rig.control.tick(rig.plant.state()))
    force = np.zeros(6)
    force[0] = 120.0
    for _ in range(25):
        rig.plant.data.body("peg").xfrc_applied[:] = force
        rig.tick(rig.control.tick(rig.plant.state()) if rig.mode is Mode.POLICY else None)
        if rig.mode is Mode.STAND:
            break
    assert rig.mode is Mode.STAND and rig.supervisor.snapshot().guard in ("workspace", "contact force")


@pytest.mark.parametrize(("guard", "gives_way"), [("contact force", True), ("workspace", False)])
def test_an_arm_that_still_presses_while_it_holds_gives_way(guard: str, gives_way: bool):
    rig = Rig().begin()
    machine, verdict = rig.supervisor._machine, Verdict(Reaction.HOLD, "it is pushed", guard)
    machine.obey(verdict)
    assert machine.mode is Mode.STAND and machine.sample is not None
    before, state = machine.sample, machine.sample.state
    thrown = replace(state, q=state.q + 0.05, stamp_ns=state.stamp_ns + 200_000_000)
    sample = replace(before, state=thrown)
    machine.accept(sample)
    machine.obey(verdict)
    machine.advance(sample)
    stays_at = thrown.q if gives_way else state.q
    np.testing.assert_allclose(machine.proposal(sample).q, stays_at, atol=1e-9)


def test_a_guard_that_an_arm_needs_cannot_be_left_out():
    from ros2_rl.paths import share_path

    lines = share_path("config", "safety", "arm.yaml").read_text().splitlines()
    text = "\n".join(line for line in lines if "contact_force" not in line)
    with pytest.raises(ConfigError, match="contact_force: Field required"):
        _check_complete(parse_safety(text, "arm.yaml").guards, ROBOT, "arm.yaml")


def test_the_box_is_refused_inside_out():
    from ros2_rl.paths import share_path

    text = share_path("config", "safety", "arm.yaml").read_text()
    with pytest.raises(ConfigError, match="workspace"):
        parse_safety(text.replace("low: [0.36", "low: [0.66"), "arm.yaml")
    assert (LOW < HIGH).all()
