"""Checkpoints: a resumed learner is the same learner, and damage is found."""

import numpy as np
import pytest
import torch
from learning_rig import batch, make_learner, policy

from ros2_rl.errors import ConfigError
from ros2_rl.learning.checkpoint import CheckpointStore, export_merged
from ros2_rl.policy.onnx_policy import OnnxPolicy


def adapters_equal(one, two) -> bool:
    pairs = zip(
        (p for pair in one.layers.values() for p in pair),
        (p for pair in two.layers.values() for p in pair),
        strict=True,
    )
    return all(np.array_equal(a, b) for a, b in pairs) and np.array_equal(one.log_std, two.log_std)


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


def emptied(_: bytes) -> bytes:
    return b""


def flipped(data: bytes) -> bytes:
    """The last bit is another."""
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.fixture
def trained(tmp_path):
    learner = make_learner(tmp_path, critic_reuse_windows=2)
    for seed in range(2):
        learner.update(batch(learner, seed=seed))
        learner.adapter(seed + 1)
    return learner


def test_a_resumed_learner_makes_the_same_next_update_bit_for_bit(tmp_path, trained):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(trained, {"version": 2})
    resumed = make_learner(tmp_path, critic_reuse_windows=2)
    restored = store.load_latest(resumed)
    assert restored.counters == {"version": 2} and restored.notes == ()
    b = batch(trained, seed=9)
    assert trained.update(b) == resumed.update(b)
    assert adapters_equal(trained.adapter(3), resumed.adapter(3))
    critics = [learner.critic.network.parameters() for learner in (trained, resumed)]
    assert all(torch.equal(a, b) for a, b in zip(*critics, strict=True))
    trained.rollback(1)
    resumed.rollback(1)
    assert adapters_equal(trained.adapter(4), resumed.adapter(4))


def test_only_the_newest_are_kept_and_nothing_half_written(tmp_path, trained):
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    for seed in range(3):
        trained.update(batch(trained, seed=seed))
        store.save(trained)
    assert sorted(p.name for p in store.folder.iterdir()) == ["update-000004", "update-000005"]


def test_saving_the_same_update_twice_replaces_it(tmp_path, trained):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(trained, {"steps": 1})
    store.save(trained, {"steps": 2})
    assert store.load_latest(trained).counters == {"steps": 2}


@pytest.mark.parametrize("name", ["weights.safetensors", "training.pt", "state.json"])
@pytest.mark.parametrize("damage", [halved, emptied, flipped, lambda data: None])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, trained, name, damage):
    store = CheckpointStore(tmp_path / "checkpoints")
    first = store.save(trained, {"steps": 1})
    trained.update(batch(trained, seed=5))
    path = store.save(trained, {"steps": 2}) / name
    data = damage(path.read_bytes())
    path.unlink() if data is None else path.write_bytes(data)
    restored = store.load_latest(make_learner(tmp_path, critic_reuse_windows=2))
    assert restored.path == first and restored.counters == {"steps": 1}
    assert len(restored.notes) == 1 and "update-000003 is damaged" in restored.notes[0]


def test_without_an_intact_checkpoint_it_says_so(tmp_path, trained):
    store = CheckpointStore(tmp_path / "checkpoints")
    assert store.load_latest(trained) is None
    (store.save(trained) / "state.json").write_text("{}")
    with pytest.raises(ConfigError, match="is intact"):
        store.load_latest(trained)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path, trained):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(trained)
    with pytest.raises(ConfigError, match="made with rank 1, the learner has 2"):
        store.load_latest(make_learner(tmp_path, rank=2))
    other = make_learner(tmp_path)
    other.policy.sha256 = "0" * 64
    with pytest.raises(ConfigError, match="resume with the same policy file"):
        store.load_latest(other)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, trained):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="free some space or choose another folder"):
        CheckpointStore(tmp_path / "file" / "checkpoints").save(trained)


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path, trained, monkeypatch):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(trained, {"steps": 1})
    trained.update(batch(trained, seed=5))

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigError, match="No space left on device"):
        store.save(trained)
    assert [p.name for p in store.folder.iterdir()] == ["update-000002"]


def test_the_merged_policy_is_a_policy(tmp_path, trained):
    adapter = trained.adapter(3)
    export_merged(tmp_path / "merged.onnx", policy(), adapter)
    merged = OnnxPolicy(tmp_path / "merged.onnx")
    assert merged.contract.policy_version == 3
    assert np.allclose(merged(adapter.probe_obs[1:2]), adapter.probe_out[1], atol=1e-5)
