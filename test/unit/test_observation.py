"""Observations and actions: order, names, scales and history are data, and the numbers are right."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_rig import CONTRACT, ROBOT, random_state

from ros2_rl.policy.action import ActionMap
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.observation import ObservationBuilder
from ros2_rl.robots import BaseEstimate, projected_gravity

COMMAND, CLOCK = np.array((0.5, -0.1, 0.2)), np.array((0.6, 0.8))
LAST = np.linspace(-1.0, 1.0, 12)
PER_JOINT = (
    "joint_names",
    "joint_stiffness",
    "joint_damping",
    "default_joint_pos",
    "action_scale",
    "log_std",
)


def build(contract: Contract, step: int = 1) -> np.ndarray:
    return ObservationBuilder(contract, ROBOT).build(random_state(step), None, COMMAND, LAST, CLOCK)[0]


def reordered(order: list[int]) -> Contract:
    """The same policy with its joints in another order, with an action scale that tells them apart."""
    distinct = replace(CONTRACT, action_scale=tuple(0.1 + 0.01 * i for i in range(12)))
    return replace(distinct, **{k: tuple(getattr(distinct, k)[i] for i in order) for k in PER_JOINT})


def test_terms_stand_in_the_contracts_order_with_their_scales() -> None:
    state = random_state(1)
    expected = np.concatenate(
        (
            0.25 * state.gyro,
            projected_gravity(state.quat),
            COMMAND,
            state.q - ROBOT.default_pose,
            0.05 * state.dq,
            LAST,
            CLOCK,
        )
    )
    obs = build(CONTRACT)
    assert obs.dtype == np.float32
    np.testing.assert_allclose(obs, expected, rtol=1e-6, atol=1e-7)


def test_another_order_of_terms_gives_another_observation() -> None:
    names, scales = CONTRACT.observation_names[::-1], CONTRACT.observation_scales[::-1]
    other = build(replace(CONTRACT, observation_names=names, observation_scales=scales))
    np.testing.assert_array_equal(other[:2], CLOCK.astype(np.float32))
    np.testing.assert_array_equal(np.sort(other), np.sort(build(CONTRACT)))


@given(st.permutations(range(12)))
def test_joints_are_mapped_by_name(order: list[int]) -> None:
    contract = reordered(order)
    obs, straight = build(contract), build(CONTRACT)
    np.testing.assert_array_equal(obs[9:21], straight[9:21][order])
    np.testing.assert_array_equal(obs[21:33], straight[21:33][order])
    action = np.linspace(-2.0, 3.0, 12)
    targets = ActionMap(reordered(list(range(12))), ROBOT).targets(action, np.zeros(12))
    np.testing.assert_allclose(ActionMap(contract, ROBOT).targets(action[order], np.zeros(12)), targets)


def test_history_is_newest_first_and_filled_after_a_reset() -> None:
    contract = replace(CONTRACT, observation_history=3)
    builder = ObservationBuilder(contract, ROBOT)
    frames = [build(CONTRACT, step) for step in range(4)]
    seen = [builder.build(random_state(s), None, COMMAND, LAST, CLOCK)[0].reshape(3, 47) for s in range(4)]
    np.testing.assert_array_equal(seen[0], [frames[0]] * 3)
    np.testing.assert_array_equal(seen[1], [frames[1], frames[0], frames[0]])
    np.testing.assert_array_equal(seen[3], [frames[3], frames[2], frames[1]])
    builder.reset()
    again = builder.build(random_state(2), None, COMMAND, LAST, CLOCK)[0].reshape(3, 47)
    np.testing.assert_array_equal(again, [frames[2]] * 3)


def stacked(**layout: object) -> np.ndarray:
    """What a policy sees of three states; terms are the gyro (3) and the joint velocities (12)."""
    contract = replace(
        CONTRACT, observation_names=("base_ang_vel", "joint_vel"), observation_scales=(), **layout
    )
    builder = ObservationBuilder(contract, ROBOT)
    return [builder.build(random_state(step), None, COMMAND, LAST, CLOCK)[0] for step in range(3)][-1]


def test_the_past_stands_as_the_contract_says() -> None:
    gyros = [random_state(step).gyro for step in range(3)]
    speeds = [random_state(step).dq for step in range(3)]
    both = [np.concatenate(pair) for pair in zip(gyros, speeds, strict=True)]
    for layout, expected in (
        ({"observation_history": 3}, both[::-1]),
        ({"observation_history": 3, "history_order": "oldest_first"}, both),
        ({"observation_history": 3, "history_by": "term"}, [*gyros[::-1], *speeds[::-1]]),
        (
            {"observation_history": 3, "history_by": "term", "history_order": "oldest_first"},
            [*gyros, *speeds],
        ),
        (
            {"observation_history": 2, "history_by": "term", "term_history": (2, 1)},
            [gyros[2], gyros[1], speeds[2]],
        ),
    ):
        np.testing.assert_allclose(
            stacked(**layout), np.concatenate(expected), rtol=1e-6, err_msg=str(layout)
        )


def test_elements_are_kept_within_their_bounds_after_scaling() -> None:
    low = (-0.1,) * 3 + (-np.inf,) * 44
    bounded = build(replace(CONTRACT, observation_lower=low, observation_upper=(0.05,) * 7))
    plain = build(CONTRACT)
    np.testing.assert_allclose(bounded[:3], np.clip(plain[:3], -0.1, 0.05))
    np.testing.assert_allclose(bounded[3:], np.minimum(plain[3:], 0.05))


def test_a_policy_that_sees_the_base_velocity_needs_an_estimate() -> None:
    builder = ObservationBuilder(
        replace(CONTRACT, observation_names=("base_lin_vel",), observation_scales=(2.0,)), ROBOT
    )
    three, velocity = np.zeros(3), np.array((0.4, 0.1, 0.0))
    estimate = BaseEstimate(0, three, np.array((1.0, 0, 0, 0)), velocity, three, np.zeros(4), np.eye(3))
    obs = builder.build(random_state(0), estimate, COMMAND, LAST, CLOCK)
    np.testing.assert_allclose(obs, [[0.8, 0.2, 0.0]], rtol=1e-6)
    with pytest.raises(ValueError, match="no estimate"):
        builder.build(random_state(0), None, COMMAND, LAST, CLOCK)


def test_targets_are_default_plus_scaled_clipped_action() -> None:
    actions = ActionMap(CONTRACT, ROBOT)
    clipped = actions.clip(np.full(12, 20.0))
    np.testing.assert_array_equal(clipped, 8.0)
    np.testing.assert_allclose(actions.targets(clipped, np.zeros(12)), ROBOT.default_pose + 2.0)


def test_targets_may_have_an_origin_and_bounds_of_their_own() -> None:
    other = tuple(0.1 * i for i in range(12))
    actions = ActionMap(replace(CONTRACT, action_offset=other, target_upper=(0.5,) * 12), ROBOT)
    np.testing.assert_allclose(
        actions.targets(np.ones(12), np.zeros(12)), np.minimum(np.array(other) + 0.25, 0.5)
    )
    np.testing.assert_array_equal(actions.clip(np.ones(12)), 1.0)  # what the next observation shows


def test_a_delta_policy_moves_from_where_the_joints_are() -> None:
    actions = ActionMap(replace(CONTRACT, action_type="position_delta"), ROBOT)
    q = np.linspace(0.0, 1.0, 12)
    np.testing.assert_allclose(actions.targets(np.ones(12), q), q + 0.25)
