"""The runtime of a policy: ticks, memory, noise, and adapters that are swapped between ticks."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from policy_rig import CONTRACT, JUMP_CONTRACT, ROBOT, make_adapter, random_layers, random_state, write_random

from ros2_rl.errors import ContractError
from ros2_rl.policy.adapter import Adapter
from ros2_rl.policy.runtime import PolicyFault, PolicyRuntime
from ros2_rl.robots import BaseEstimate
from ros2_rl.tasks import load_task
from ros2_rl.tasks.clock import gait_clock

FORWARD = np.array((0.5, 0.0, 0.0))
LAYERS = random_layers((47, 32, 16, 12))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_random(tmp_path / "policy.onnx")


@pytest.fixture
def runtime(path: Path) -> PolicyRuntime:
    return PolicyRuntime(path, ROBOT, seed=5, task=load_task("trot"))


def adapter(runtime: PolicyRuntime, version: int = 1, **kwargs) -> bytes:
    return make_adapter(runtime.base, LAYERS, version, **kwargs).to_bytes()


def tick(runtime: PolicyRuntime, step: int, noise: bool = False):
    return runtime.tick(random_state(step), None, FORWARD, noise)


def test_the_record_says_what_was_seen_and_done(runtime: PolicyRuntime) -> None:
    state, three = random_state(17), np.zeros(3)
    estimate = BaseEstimate(
        state.stamp_ns, np.array((1.0, 2.0, 0.3)), state.quat, np.array((0.4, 0.1, 0.0)), three,
        np.array((1.0, 0.0, 0.2, 0.9)), np.eye(3),
    )  # fmt: skip
    command, record = runtime.tick(state, estimate, FORWARD, noise=False)
    assert (record.stamp_ns, record.step, record.version) == (state.stamp_ns, 17, 0)
    np.testing.assert_array_equal(record.mean, runtime.base(record.obs[None]))
    np.testing.assert_array_equal(record.action, record.mean)
    np.testing.assert_array_equal(record.std, 0.0)
    np.testing.assert_allclose(record.clock, gait_clock(17, 0.02, 0.5), atol=1e-6)
    np.testing.assert_array_equal(record.height, [0.3])
    np.testing.assert_array_equal(record.contacts, estimate.contacts)
    np.testing.assert_allclose(command.q, ROBOT.default_pose + 0.25 * record.action, atol=1e-6)
    assert (command.stamp_ns, command.gains) == (state.stamp_ns, "policy")
    assert record.critic_obs().shape == (55,)


def test_the_clock_stands_still_without_a_command(runtime: PolicyRuntime) -> None:
    _, record = runtime.tick(random_state(17), None, np.array((0.05, 0.0, 0.05)), noise=False)
    np.testing.assert_array_equal(record.clock, 0.0)


def test_a_jump_keeps_its_command_for_a_cycle(tmp_path: Path) -> None:
    runtime = PolicyRuntime(write_random(tmp_path / "jump.onnx", JUMP_CONTRACT), ROBOT, 0, load_task("jump"))
    records = [
        runtime.tick(random_state(step), None, np.array((0.1 if step < 200 else 0.3, 0.0, 0.0)), False)[1]
        for step in range(150, 320)
    ]
    asked = {record.step: float(record.command[0]) for record in records}
    # In the cycle in which it got the robot it stands; what changes at 200 waits for the cycle of 240.
    assert [asked[step] for step in (150, 159, 160, 239, 240)] == pytest.approx([0.0, 0.0, 0.1, 0.1, 0.3])
    clock = records[182 - 150].clock  # 0.44 s into the cycle: in the air
    np.testing.assert_allclose(clock, load_task("jump").clock.at(182, FORWARD), atol=1e-6)
    assert clock[2] == 0.0
    runtime.reset()
    _, record = runtime.tick(random_state(330), None, FORWARD, False)
    np.testing.assert_array_equal(record.clock, [0.0, 0.0, 1.0])


def test_the_last_action_is_remembered_until_a_reset(runtime: PolicyRuntime) -> None:
    _, first = tick(runtime, 1)
    _, second = tick(runtime, 2)
    np.testing.assert_allclose(second.obs[33:45], first.action, rtol=1e-6)
    runtime.reset()
    _, third = tick(runtime, 3)
    np.testing.assert_array_equal(third.obs[33:45], 0.0)


def test_only_the_clipped_action_is_remembered_and_carried_out(tmp_path: Path) -> None:
    tight = replace(CONTRACT, action_clip=0.01)
    runtime = PolicyRuntime(write_random(tmp_path / "p.onnx", tight), ROBOT)
    command, record = tick(runtime, 1)
    assert np.abs(record.action).max() > 0.01
    assert np.abs(command.q - ROBOT.default_pose).max() <= 0.25 * 0.01 + 1e-9
    _, after = tick(runtime, 2)
    np.testing.assert_allclose(after.obs[33:45], np.clip(record.action, -0.01, 0.01), rtol=1e-6)


def test_noise_depends_on_seed_and_step_and_on_nothing_before(path: Path, runtime: PolicyRuntime) -> None:
    alone = PolicyRuntime(path, ROBOT, seed=5)
    _, straight = tick(alone, 9, noise=True)
    for step in range(5, 9):
        tick(runtime, step, noise=step % 2 == 0)
    runtime.reset()
    _, late = tick(runtime, 9, noise=True)
    np.testing.assert_array_equal(late.action, straight.action)
    _, other = PolicyRuntime(path, ROBOT, seed=6).tick(random_state(9), None, FORWARD, noise=True)
    assert not np.array_equal(other.action, straight.action)


def test_noise_has_the_standard_deviation_of_the_active_adapter(runtime: PolicyRuntime) -> None:
    def spread() -> float:
        records = [tick(runtime, step, noise=True)[1] for step in range(400)]
        return float(np.std([r.action - r.mean for r in records]))

    assert spread() == pytest.approx(0.2, rel=0.05)
    assert runtime.submit(adapter(runtime)).accepted
    runtime.swap_if_due(0)
    assert spread() == pytest.approx(np.exp(-1.5), rel=0.05)


def test_a_state_that_is_not_finite_gives_no_command_and_leaves_no_trace(runtime: PolicyRuntime) -> None:
    state = random_state(3)
    state.dq[4] = np.nan
    with pytest.raises(PolicyFault, match="step 3 is not finite"):
        runtime.tick(state, None, FORWARD, noise=False)
    _, record = tick(runtime, 4)
    assert np.isfinite(record.action).all()


def test_an_adapter_acts_from_its_step_on_and_no_tick_is_missed(runtime: PolicyRuntime) -> None:
    verdict = runtime.submit(adapter(runtime, activate_at_step=6))
    assert (verdict.accepted, verdict.version, verdict.activate_at_step) == (True, 1, 6)
    versions = []
    for step in range(2, 10):
        runtime.swap_if_due(step)
        versions.append(tick(runtime, step)[1].version)
    assert versions == [0, 0, 0, 0, 1, 1, 1, 1]
    assert (runtime.active.since_step, runtime.active.sha256) == (6, verdict.sha256)


def test_adapters_submitted_by_another_thread_miss_no_tick(runtime: PolicyRuntime) -> None:
    blobs = [adapter(runtime, version) for version in range(1, 9)]
    worker = threading.Thread(target=lambda: [runtime.submit(blob) for blob in blobs])
    worker.start()
    records, step = [], 0
    while step < 100_000 and (worker.is_alive() or not records or records[-1].version < 8):
        runtime.swap_if_due(step)
        records.append(tick(runtime, step)[1])
        step += 1
    worker.join()
    versions = [record.version for record in records]
    assert versions == sorted(versions)
    assert versions[-1] == 8
    assert [record.step for record in records] == list(range(step))


def test_the_newest_of_several_due_adapters_acts(runtime: PolicyRuntime) -> None:
    for version, step in ((1, 5), (2, 4), (3, 50)):
        assert runtime.submit(adapter(runtime, version, activate_at_step=step)).accepted
    active = runtime.swap_if_due(5)
    assert active is not None
    assert active.version == 2
    assert runtime.swap_if_due(6) is None


def test_an_identity_adapter_changes_no_bit_of_the_commands(path: Path, runtime: PolicyRuntime) -> None:
    base = PolicyRuntime(path, ROBOT, seed=5)
    assert runtime.submit(adapter(runtime, size=0.0)).accepted
    runtime.swap_if_due(0)
    for step in range(20):
        adapted, plain = tick(runtime, step)[0], tick(base, step)[0]
        assert adapted.q.tobytes() == plain.q.tobytes()


def test_a_refused_adapter_leaves_the_good_one_in_place(runtime: PolicyRuntime) -> None:
    good = adapter(runtime)
    assert runtime.submit(good).accepted
    runtime.swap_if_due(0)
    for blob, reason in (
        (good, "stale"),
        (good[:-1] + b"\x00", "corrupt"),
        (replace(Adapter.from_bytes(good), version=2, base_sha256="f" * 64).to_bytes(), "base policy"),
        (replace(Adapter.from_bytes(good), version=2, probe_out=np.zeros((3, 12))).to_bytes(), "probe"),
    ):
        verdict = runtime.submit(blob)
        assert not verdict.accepted
        assert reason in verdict.reason
    assert runtime.swap_if_due(1) is None
    assert runtime.active.version == 1


def test_a_promised_adapter_is_due_at_its_step_until_it_comes_and_not_once_that_has_gone_by(
    runtime: PolicyRuntime,
) -> None:
    assert runtime.due_version(10**6) is None
    runtime.submit(adapter(runtime, 1, activate_at_step=10, next_at_step=20))
    assert [runtime.due_version(step) for step in (19, 20, 20, 21, 25)] == [None, 2, 2, None, None]
    runtime.submit(adapter(runtime, 2, activate_at_step=20, next_at_step=0))
    assert runtime.due_version(10**6) is None


def test_a_phase_promises_an_adapter_unless_it_is_here_already(runtime: PolicyRuntime) -> None:
    runtime.promise(0)
    assert runtime.due_version(100) is None
    runtime.promise(30)
    assert (runtime.due_version(29), runtime.due_version(30)) == (None, 1)
    runtime.submit(adapter(runtime, 1, activate_at_step=30))
    runtime.promise(30)
    assert runtime.due_version(30) is None


def test_nobody_waits_for_an_adapter_that_was_refused(runtime: PolicyRuntime) -> None:
    first = adapter(runtime, 1, next_at_step=20)
    runtime.submit(first)
    runtime.submit(first)  # an old one that comes again breaks no promise
    assert runtime.due_version(20) == 2
    runtime.submit(b"garbage")
    assert runtime.due_version(20) is None


def test_a_policy_of_another_robot_does_not_start(tmp_path: Path) -> None:
    other = replace(CONTRACT, joint_names=("knee", *CONTRACT.joint_names[1:]))
    with pytest.raises(ContractError, match="knee"):
        PolicyRuntime(write_random(tmp_path / "p.onnx", other), ROBOT)


def test_a_base_that_acts_for_a_distrusted_adapter_explores_as_that_did(runtime: PolicyRuntime) -> None:
    runtime.submit(adapter(runtime, 1, activate_at_step=3))
    runtime.swap_if_due(3)
    learned = tick(runtime, 3, noise=True)[1]
    assert not runtime.distrust(2, 4) and runtime.distrust(1, 4)
    _, record = tick(runtime, 4, noise=True)
    assert record.version == 0
    np.testing.assert_array_equal(record.mean, runtime.base(record.obs[None]))
    np.testing.assert_array_equal(record.std, learned.std)
    assert not np.allclose(learned.std, np.exp(CONTRACT.log_std))
