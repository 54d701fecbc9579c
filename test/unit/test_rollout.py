"""Which control steps enter a batch, where segments end, and the advantages of a segment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_rig import record

from ros2_rl.learning.off_policy import vtrace
from ros2_rl.learning.rollout import Rollout

OTHERS = ("recovery", "human", "supervisor")


def feed(
    rollout: Rollout, steps: list[int], actors: dict[int, str] | None = None, falls: tuple[int, ...] = ()
):
    """Steps with these numbers; the reward of a step is its number."""
    for step, after in zip(steps, [*steps[1:], steps[-1] + 1], strict=True):
        actor = (actors or {}).get(step, "policy")
        rollout.add(record(step, (step, 0)), record(after, (after, 0)), float(step), actor, step in falls)


def kept(rollout: Rollout) -> tuple[list[int], list[int], list[int]]:
    """Numbers of the steps in the batch, of the last ones of segments, and of terminal ones."""
    b = rollout.drain()
    steps = b.rewards.astype(int)
    return steps.tolist(), steps[b.cut].tolist(), steps[b.terminal].tolist()


def test_a_window_end_cuts_and_the_next_window_goes_on_where_it_ended():
    rollout = Rollout()
    feed(rollout, [1, 2, 3])
    b = rollout.drain()  # step 3 waits for its successor's label
    assert b.rewards.tolist() == [1, 2] and b.cut.tolist() == [False, True]
    assert b.cut_critic_obs[:, 0].tolist() == [3]
    feed(rollout, [4, 5])
    assert kept(rollout) == ([3, 4], [4], [])


@pytest.mark.parametrize("actor", OTHERS)
def test_a_take_over_truncates_before_the_step_it_came_in(actor):
    rollout = Rollout()
    feed(rollout, list(range(1, 9)), {4: actor, 5: actor})
    b = rollout.drain()
    # 3 was begun by the policy and may have been ended by somebody else.
    assert b.rewards.tolist() == [1, 2, 6, 7]
    assert b.cut.tolist() == [False, True, False, True] and not b.terminal.any()
    assert b.cut_critic_obs[:, 0].tolist() == [3, 8]
    assert (b.counts.used, b.counts.overridden) == (4, 3)


def test_a_fall_is_terminal():
    rollout = Rollout()
    feed(rollout, list(range(1, 6)), falls=(3,))
    assert kept(rollout) == ([1, 2, 3, 4], [3, 4], [3])


def test_a_fall_soon_after_a_take_over_ends_the_policys_segment():
    rollout = Rollout(fall_blame_steps=3)
    feed(rollout, list(range(1, 7)), dict.fromkeys(range(4, 7), "recovery"), falls=(5,))
    assert kept(rollout) == ([1, 2], [2], [2])


def test_a_fall_long_after_a_take_over_does_not():
    rollout = Rollout(fall_blame_steps=3)
    feed(rollout, list(range(1, 8)), dict.fromkeys(range(4, 8), "recovery"), falls=(6,))
    assert kept(rollout) == ([1, 2], [2], [])


def test_a_lost_record_truncates():
    rollout = Rollout()
    feed(rollout, [1, 2, 3, 5, 6, 7])
    b = rollout.drain()
    assert b.rewards.tolist() == [1, 2, 5, 6] and b.cut.tolist() == [False, True, False, True]
    assert b.counts.cut == 1


def test_steps_without_noise_and_numbers_that_are_not_finite_are_left_out():
    rollout = Rollout()
    rollout.add(record(1, std=0.0), record(2), 1.0, "policy", False)
    rollout.add(record(2), record(3), float("nan"), "policy", False)
    rollout.add(record(3, (np.inf, 0)), record(4), 1.0, "policy", False)
    rollout.add(record(4), record(5), 1.0, "policy", False)
    rollout.add(record(5), record(6), 1.0, "policy", False)
    b = rollout.drain()
    assert len(b) == 1 and (b.counts.silent, b.counts.invalid) == (1, 2)


def test_an_empty_window_is_a_batch_of_nothing():
    assert len(Rollout().drain()) == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.sampled_from(("policy", "policy", "policy", *OTHERS)),
            st.booleans(),
            st.booleans(),
        ),
        min_size=2,
        max_size=40,
    ),
    st.sets(st.integers(0, 40)),
)
def test_whatever_happens_no_overridden_step_enters_a_batch(events, drains):
    steps = np.cumsum([gap for gap, *_ in events]).tolist()
    actors = dict(zip(steps, (actor for _, actor, *_ in events), strict=True))
    rollout, parts = Rollout(), []
    for i, (_, actor, fell, noisy) in enumerate(events[:-1]):
        now, after = record(steps[i], (steps[i], 0), std=0.3 * noisy), record(steps[i + 1], (steps[i + 1], 0))
        rollout.add(now, after, float(steps[i]), actor, fell and i % 5 == 0)
        if i in drains:
            parts.append(rollout.drain())
    parts.append(rollout.drain())
    for b in parts:
        for t, step in enumerate(b.rewards.astype(int)):
            assert actors[step] == "policy" and b.stds[t].all()
            assert b.terminal[t] or actors.get(step + 1, "policy") == "policy"
            assert b.cut[t] or b.rewards[t + 1] == step + 1
        assert (
            b.cut_critic_obs[:, 0].tolist() == [r + 1 for r in b.rewards[b.cut].tolist()] if len(b) else True
        )
        assert b.cut[-1:].all()
    total = sum(p.counts.used + p.counts.overridden + p.counts.cut + p.counts.silent for p in parts)
    assert len(events) - 2 <= total <= len(events) - 1  # one step may still wait for its label


def test_advantages_by_hand():
    rewards = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    values = np.array([10.0, 20.0, 30.0, 40.0, 50.0])
    cut = np.array([False, True, True, False, True])
    terminal = np.array([False, False, True, False, False])
    advantages, returns = vtrace(rewards, values, np.array([6.0, 7.0, 8.0]), terminal, cut, 0.5, 0.8)
    # Segment 1, truncated: d1 = 2 + 0.5 * 6 - 20 = -15, d0 = 1 + 0.5 * 20 - 10 = 1
    # Segment 2, a fall: 3 - 30 = -27, whatever the value after it
    # Segment 3, window end: d4 = 5 + 0.5 * 8 - 50 = -41, d3 = 4 + 0.5 * 50 - 40 = -11
    expected = [1 - 0.4 * 15, -15, -27, -11 - 0.4 * 41, -41]
    assert np.allclose(advantages, expected)
    assert np.allclose(returns, np.array(expected) + values)


def test_with_lambda_one_the_targets_are_discounted_returns():
    ones, no = np.ones(3), np.zeros(3, bool)
    end = np.array([False, False, True])
    _, returns = vtrace(ones, np.array([5.0, -3.0, 9.0]), np.array([4.0]), no, end, 0.5, 1.0)
    assert np.allclose(returns, [1 + 0.5 + 0.25 + 0.125 * 4, 1 + 0.5 + 0.25 * 4, 1 + 0.5 * 4])
