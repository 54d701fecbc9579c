"""Looking some steps ahead in a replay: as far as one stretch of experience goes, and no further."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.learning.sac.replay import LABELS, Replay

GAMMA = 0.5


def replay(capacity: int = 100) -> Replay:
    return Replay({"obs": 1, "next_obs": 1, "reward": 0, "terminal": 0}, {}, capacity)


def stretch(first: float, rewards: list[float], terminal: bool = False) -> dict[str, np.ndarray]:
    """Consecutive transitions; what is seen counts up from ``first``."""
    count = len(rewards)
    seen = first + np.arange(count + 1.0)[:, None]
    ends = np.zeros(count)
    ends[-1] = terminal
    return {"obs": seen[:-1], "next_obs": seen[1:], "reward": np.array(rewards), "terminal": ends}


def ahead(kept: Replay, row: int, steps: int) -> tuple[float, float, float]:
    """Reward, discount, and the last thing seen, from one row on."""
    last, reward, discount = kept._ahead(torch.tensor([row]), steps, GAMMA)
    return float(reward[0]), float(discount[0]), float(kept.tensors()["next_obs"][last[0], 0])


def of(label: str, count: int) -> np.ndarray:
    return np.full(count, LABELS.index(label))


def test_rewards_of_consecutive_steps_are_discounted_and_summed():
    kept = replay()
    kept.add(stretch(0.0, [1.0, 2.0, 4.0, 8.0]), of("policy", 4))
    assert ahead(kept, 0, 1) == (1.0, 0.5, 1.0)
    assert ahead(kept, 0, 3) == (1.0 + 1.0 + 1.0, 0.125, 3.0)
    assert ahead(kept, 2, 9) == (4.0 + 4.0, 0.25, 4.0)


def test_nothing_is_earned_after_an_end_nor_from_another_episode():
    kept = replay()
    kept.add(stretch(0.0, [0.0, 1.0], terminal=True), of("policy", 2))
    kept.add(stretch(2.0, [5.0, 5.0]), of("policy", 2))  # begins where the one before ended, by chance
    kept.add(stretch(50.0, [7.0]), of("policy", 1))
    assert ahead(kept, 0, 5) == (0.5, 0.25, 2.0)
    assert ahead(kept, 2, 5) == (7.5, 0.25, 4.0)


def test_what_somebody_else_then_did_is_not_the_merit_of_a_step():
    kept = replay()
    kept.add(stretch(0.0, [0.0, 0.0]), of("policy", 2))
    kept.add(stretch(2.0, [0.0, 1.0], terminal=True), of("human", 2))
    assert ahead(kept, 0, 4) == (0.0, 0.25, 2.0)
    assert ahead(kept, 2, 4) == (0.5, 0.25, 4.0)


def test_a_full_ring_does_not_lead_from_its_newest_row_to_its_oldest():
    kept = replay(capacity=4)
    kept.add(stretch(0.0, [1.0] * 6), of("policy", 6))
    newest = int(kept._rows["next_obs"][:, 0].argmax())
    last, reward, discount = kept._ahead(torch.tensor([newest]), 3, GAMMA)
    assert (int(last[0]), float(reward[0]), float(discount[0])) == (newest, 1.0, GAMMA)
    oldest = (newest + 1) % 4
    last, reward, _ = kept._ahead(torch.tensor([oldest]), 9, GAMMA)
    assert (int(last[0]), float(reward[0])) == (newest, 1.875)


@given(rewards=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20), steps=st.integers(1, 10))
def test_any_stretch_is_summed_as_by_hand(rewards, steps):
    kept = replay()
    kept.add(stretch(0.0, rewards), of("policy", len(rewards)))
    for row in range(len(rewards)):
        part = rewards[row : row + steps]
        by_hand = sum(GAMMA**k * r for k, r in enumerate(part))
        found = ahead(kept, row, steps)
        assert found == (pytest.approx(by_hand, abs=1e-5), GAMMA ** len(part), row + len(part))


@given(pieces=st.lists(st.integers(1, 5), min_size=1, max_size=8), capacity=st.integers(3, 12))
def test_what_came_in_pieces_leads_on_as_what_came_at_once(pieces, capacity):
    total = sum(pieces)
    whole, parts = replay(capacity), replay(capacity)
    everything = stretch(0.0, [1.0] * total)
    whole.add(everything, of("policy", total))
    done = 0
    for count in pieces:
        parts.add({name: rows[done : done + count] for name, rows in everything.items()}, of("policy", count))
        done += count
    kept = min(total, capacity)
    seen = whole.tensors()["obs"][:, 0]
    for one in (whole, parts):
        oldest = int(one._rows["obs"][: len(one), 0].argmin())
        last, _, discount = one._ahead(torch.tensor([oldest]), kept + 3, GAMMA)
        assert float(one._rows["obs"][last[0], 0]) == float(seen[-1])
        assert float(discount[0]) == GAMMA**kept


def test_a_sample_has_the_first_steps_sight_and_the_last_ones_end():
    kept = replay()
    kept.add(stretch(0.0, [0.0, 0.0, 1.0], terminal=True), of("policy", 3))
    batch = kept.sample(64, torch.Generator().manual_seed(0), steps=3, gamma=GAMMA)
    from_start = batch["obs"][:, 0] == 0.0
    assert from_start.any()
    for name, value in (("next_obs", 3.0), ("terminal", 1.0), ("reward", 0.25), ("discount", 0.125)):
        assert (batch[name].reshape(64)[from_start] == value).all(), name
