"""An arm's policy and experience on their way between learner and executor."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.errors import ContractError
from ros2_rl.manipulation.active import ActivePolicy
from ros2_rl.manipulation.arm_policy import ArmPolicy, identity_of, phrase
from ros2_rl.manipulation.episode import Note, Stage, Transition
from ros2_rl.manipulation.observation import WIDTH
from ros2_rl.manipulation.task import load_arm_task
from ros2_rl.manipulation.upload import EpisodeEnd, Uploads, pack, unpack
from ros2_rl.policy.mlp import Layer
from ros2_rl.policy.perceptron import Perceptron

TASK = load_arm_task("reach")
OBS = np.linspace(-1.0, 1.0, WIDTH).astype(np.float32)


def policy(**changes) -> ArmPolicy:
    rng = np.random.default_rng(0)
    sizes = ((8, WIDTH), (6, 8))
    layers = [
        Layer(str(i), rng.normal(0, 0.3, size).astype(np.float32), np.zeros(size[0], np.float32))
        for i, size in enumerate(sizes)
    ]
    network, probe = Perceptron(layers), rng.normal(0, 0.3, (4, WIDTH)).astype(np.float32)
    found = ArmPolicy(
        1, 0, "trial", phrase(identity_of(TASK)), network, np.array((-4.0, -1.0)), probe,
        network(probe).astype(np.float32),
    )  # fmt: skip
    return replace(found, **changes)


def test_the_executor_computes_what_was_sent():
    active = ActivePolicy(TASK, 1)
    assert not active.ready(0) and not active.act(OBS, 0).any()
    verdict = active.offer(policy().to_bytes())
    assert verdict.accepted and verdict.version == 1 and len(verdict.sha256) == 64
    assert active.ready(0) and not active.ready(1)
    np.testing.assert_allclose(active.act(OBS, 0), np.tanh(policy().network(OBS)[:3]), atol=1e-6)


def test_the_noise_is_as_wide_as_the_network_says_within_its_bounds():
    noise = np.full(3, 0.5)
    for said, std in ((-2.0, np.exp(-2.0)), (-9.0, np.exp(-4.0)), (3.0, np.exp(-1.0))):
        flat = Perceptron([Layer("0", np.zeros((6, WIDTH)), np.array(3 * [0.2] + 3 * [said]))])
        found = policy(network=flat, kind="practice")
        np.testing.assert_allclose(found(OBS, noise), np.tanh(0.2 + 0.5 * std))
        half = replace(found, kind="trial", trial_noise=0.5)
        np.testing.assert_allclose(half(OBS, noise), np.tanh(0.2 + 0.25 * std))
        np.testing.assert_allclose(found(OBS), np.tanh(0.2 * np.ones(3)))


def test_practice_explores_repeatably_and_a_trial_without_noise_does_not():
    active = ActivePolicy(TASK, 1)
    active.offer(policy(kind="practice").to_bytes())
    assert (active.act(OBS, 100) == active.act(OBS, 100)).all()
    assert (active.act(OBS, 100) != active.act(OBS, 200)).all()
    assert np.abs(active.act(OBS, 100)).max() <= 1.0
    active.offer(policy(version=2, kind="trial").to_bytes())
    assert (active.act(OBS, 100) == active.act(OBS, 200)).all()


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"task": phrase(identity_of(load_arm_task("peg")))}, "start both with one task"),
        ({"task": phrase({**identity_of(TASK), "rate": "5 Hz"})}, "rate 5 Hz"),
        ({"version": 3}, "stale version 3"),
        ({"log_std_bounds": np.full(3, -2.0)}, "wrong shape"),
        ({"log_std_bounds": np.array((-4.0, np.nan))}, "out of its range"),
        ({"log_std_bounds": np.array((-1.0, -4.0))}, "out of its range"),
        ({"trial_noise": 1.5}, "out of its range"),
        ({"probe_out": np.ones((4, 6), np.float32)}, "answers the probe"),
        ({"probe_out": np.full((4, 6), np.nan, np.float32)}, "answers the probe"),
        ({"network": Perceptron([Layer("0", np.zeros((6, 5)), np.zeros(6))])}, "not 21"),
        ({"network": Perceptron([Layer("0", np.full((6, WIDTH), np.inf), np.zeros(6))])}, "not finite"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_the_last_one_acts_on(changes: dict, what: str):
    active = ActivePolicy(TASK, 1)
    active.offer(policy(version=3).to_bytes())
    verdict = active.offer(policy(**{"version": 4, **changes}).to_bytes())
    assert not verdict.accepted and what in verdict.reason and verdict.version == 3
    assert active.act(OBS, 0).any()


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_byte_that_changed_on_the_way_shows(place: int, by: int):
    data = bytearray(policy().to_bytes())
    data[place % len(data)] = (data[place % len(data)] + by) % 256
    with pytest.raises(ContractError):
        ArmPolicy.from_bytes(bytes(data))


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(data: bytes):
    assert not ActivePolicy(TASK, 1).offer(data).accepted


# ---- experience

number = st.floats(-10, 10, width=32)
arrays = st.lists(number, min_size=WIDTH, max_size=WIDTH).map(np.float32)
transitions = st.builds(
    Transition,
    episode=st.integers(0, 10**6),
    index=st.integers(0, 500),
    stamp_ns=st.integers(0, 2 * 10**18),
    obs=arrays,
    action=st.just(np.float32([0.5, -1, 0])),
    label=st.sampled_from(("policy", "human")),
    reward=st.sampled_from((0.0, 1.0)),
    next_obs=st.just(OBS),
    terminal=st.booleans(),
    truncated=st.booleans(),
)


@given(transitions)
def test_a_transition_arrives_as_it_was_sent(sent: Transition):
    got = unpack(*pack(sent))
    assert isinstance(got, Transition)
    for name in Transition.__slots__:
        np.testing.assert_array_equal(getattr(got, name), getattr(sent, name))


@given(st.integers(0, 10**6), st.sampled_from(("success", "time limit")), st.integers(0, 2 * 10**18))
def test_so_does_the_end_of_an_episode(episode: int, outcome: str, stamp_ns: int):
    end = EpisodeEnd(episode, outcome, 7, stamp_ns)
    assert unpack(*pack(end)) == end


STEP = Transition(0, 0, 0, OBS, np.zeros(3), "policy", 0.0, OBS, False, False)
NAMES = [name for name, _ in pack(STEP)[1]] + ["outcome", "steps"]


@given(
    st.lists(st.floats(width=32), max_size=50), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100))
)
def test_garbage_is_read_or_refused(data: list[float], dims: dict[str, int]):
    try:
        unpack(data, list(dims.items()))
    except ValueError as error:
        assert "policy/step" in str(error)


def test_the_end_comes_after_the_steps_and_counts_them():
    uploads, step = Uploads(), STEP
    assert uploads.of([], [Note(Stage.LIFT, 0, 1)]) == []
    assert uploads.of([step], []) == [step]
    items = uploads.of([step], [Note(Stage.LIFT, 1, 5, "success")])
    assert items == [step, EpisodeEnd(0, "success", 2, 5)]
    assert uploads.of([], [Note(Stage.LIFT, 2, 9, "time limit")]) == [EpisodeEnd(1, "time limit", 0, 9)]
