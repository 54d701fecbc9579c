"""What the recorder decides: order, losses, events, room on the disk, what is said of a run."""

import shutil
from collections import namedtuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_rig import STATE_NS, WALL_NS, imu, joints, states, supervisor

from ros2_rl.errors import RecordError
from ros2_rl.paths import share_path
from ros2_rl.recording import budget
from ros2_rl.recording.about import CONTRACT, GIT, POLICY, Description, git_state
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.ring import EventDetector, EventRecords, Ring
from ros2_rl.recording.stream import Losses, Stream, as_topics
from ros2_rl.recording.topics import TOPICS, Topic, fitting, is_wanted
from ros2_rl.recording.writer import Message
from ros2_rl.tasks import load_task


def stream(start_ns: int = 0) -> tuple[Stream, list[Message]]:
    kept: list[Message] = []
    return Stream("", start_ns, kept.extend), kept


@given(order=st.permutations(range(12)))
def test_messages_leave_in_the_order_of_publication(order):
    under_test, kept = stream()
    for index in order:
        under_test.take(f"/topic{index % 3}", b"", WALL_NS + index, index)
    under_test.flush()
    assert [message.publish_ns for message in kept] == [WALL_NS + index for index in range(12)]


def test_what_was_published_just_now_waits_for_what_may_still_come():
    under_test, kept = stream()
    under_test.take("/a", b"", WALL_NS + 10, 1)
    under_test.flush(WALL_NS + 5)
    assert kept == []
    under_test.take("/b", b"", WALL_NS + 4, 1)
    under_test.flush(WALL_NS + 11)
    assert [message.topic for message in kept] == ["/b", "/a"]


def test_robot_time_is_that_of_the_newest_state():
    under_test, kept = stream(start_ns=7)
    came = [("/rosout", b""), ("/imu/data", imu(STATE_NS)), ("/odom", b"")]
    came += [("/joint_states", joints(2 * STATE_NS)), ("/policy/step", b"")]
    for count, (topic, data) in enumerate(came):
        under_test.take(topic, data, WALL_NS + count, 1)
    under_test.flush()
    assert [message.log_ns for message in kept] == [7, STATE_NS, STATE_NS, 2 * STATE_NS, 2 * STATE_NS]


def test_gaps_in_the_numbers_of_a_writer_are_losses():
    losses = Losses()
    for sequence in (5, 6, 9, 10, 1, 2):  # the last two are those of a new writer
        losses.heard("/a", sequence)
    assert losses.lost == {"/a": 2}
    losses.writers("/a", 1)
    assert losses.lost == {"/a": 2}
    losses.writers("/b", 2)
    for sequence in (1, 40, 2, 41):
        losses.heard("/b", sequence)
    assert losses.total == 2


def test_a_gap_is_no_loss_where_a_second_writer_turns_up():
    losses = Losses()
    losses.heard("/a", 1)
    losses.heard("/a", 32)  # of another writer, who is not known of yet
    losses.writers("/a", 2)
    assert losses.lost == {}
    losses.writers("/a", 1)
    for sequence in (7, 8, 10):  # of the one that is left
        losses.heard("/a", sequence)
    assert losses.lost == {"/a": 1}


def test_a_subscription_fits_all_writers():
    wanted = Topic("/a", "std_msgs/msg/Empty", reliable=True, latched=True)
    assert fitting(wanted, []) == wanted
    assert fitting(wanted, [(True, True)]) == wanted
    assert fitting(wanted, [(True, True), (True, False)]) == Topic("/a", wanted.type, True, False)
    assert fitting(wanted, [(False, False)]) == Topic("/a", wanted.type, False, False)


def test_only_the_robots_topics_and_the_shared_ones_are_recorded():
    assert is_wanted("/lab/odom", "/lab") and is_wanted("/clock", "/lab")
    assert not is_wanted("/other/odom", "/lab")
    assert is_wanted("/other/odom", "")


def test_the_ring_keeps_seconds_and_the_last_latched_words():
    ring = Ring(seconds=0.1)
    early = Message("/policy/adapter", 0, WALL_NS, b"first")
    ring.add([early], {"/policy/adapter"})
    ring.add([Message("/policy/adapter", 1, WALL_NS, b"second")], {"/policy/adapter"})
    ring.add(states(40), {"/policy/adapter"})
    held = ring.contents()
    assert held[0].data == b"second"
    assert held[1].log_ns == 29 * STATE_NS and held[-1].log_ns == 39 * STATE_NS


def test_the_ring_is_bounded_in_bytes():
    ring = Ring(seconds=1000.0, max_bytes=2000)
    ring.add(states(100), set())
    assert sum(len(message.data) for message in ring.contents()) <= 2000


@pytest.mark.parametrize(
    ("modes", "events"),
    [
        (["POLICY", "RECOVERY", "RECOVERY", "POLICY", "RECOVERY"], ["recovery", "recovery"]),
        (["POLICY", "DAMPING"], ["damping"]),
        (["STAND", "ESTOP"], ["estop"]),
        (["PASSIVE", "STAND", "POLICY"], []),
    ],
)
def test_events_are_changes_for_the_worse(modes, events):
    detector = EventDetector()
    said = [detector.on_state(mode, {"reason": "test"}) for mode in modes]
    assert [what for what in said if what] == events


def test_the_end_of_a_run_is_no_event():
    assert EventDetector().on_state("DAMPING", {"reason": "shutting down"}) == ""


def description() -> Description:
    return Description(load_task("trot").policy_path, '{"seed": 4}', {"namespace": ""})


def test_an_event_keeps_the_seconds_before_and_after(tmp_path):
    records = EventRecords(tmp_path / "events", description(), before_s=0.2, after_s=0.1)
    for topic in as_topics(TOPICS, "").values():
        records.add_topic(topic)
    records.add([Message("/supervisor/state", 0, WALL_NS, supervisor("POLICY", 0)), *states(50)])
    assert str(tmp_path) in records.keep("recovery")
    records.add(states(5, start=50))
    records.keep("fall")  # makes the record longer in place of a second one
    for start in range(55, 90):
        records.add(states(1, start=start))
    (folder,) = (tmp_path / "events").iterdir()
    assert folder.name == "001-0.49s-recovery"
    bag = Bag(folder)
    stamps = [message.log_ns for message in bag.messages(["/joint_states"])]
    assert (stamps[0], stamps[-1]) == (29 * STATE_NS, 65 * STATE_NS)
    assert bag.counts["/supervisor/state"] == 1 and bag.damage == ""
    assert bag.notes["arguments"] == {"seed": "4"}
    assert records.count == len(list(bag.messages())) and records.size > 0


def test_a_run_is_described_by_its_code_and_its_policy():
    about = description()
    assert len(about.notes[GIT]["commit"]) in (40, len("unknown: the code is not in a git checkout"))
    assert "FL_hip_joint" in about.notes[CONTRACT]["joint_names"]
    assert about.files[POLICY] == load_task("trot").policy_path.read_bytes()


def test_code_outside_git_is_said_so(tmp_path):
    assert git_state(tmp_path) == ({}, b"")


def test_a_policy_that_cannot_be_read_is_a_sentence(tmp_path):
    with pytest.raises(RecordError, match="cannot be read"):
        Description(tmp_path / "none.onnx", "", {})
    with pytest.raises(RecordError, match="no ONNX model"):
        Description(share_path("config", "ros2_rl.yaml"), "", {})


@pytest.fixture
def small_disk(monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(2**40, 0, 1000 * budget.MIB))


def test_a_record_without_room_is_refused_in_advance(tmp_path, small_disk):
    budget.check_room(tmp_path / "new", max_mib=800.0)
    budget.check_room(tmp_path / "new", max_mib=4000.0, minutes=60.0)
    with pytest.raises(RecordError, match="room for 800 MiB.*may take 801"):
        budget.check_room(tmp_path / "new", max_mib=801.0)
    with pytest.raises(RecordError, match="120 robot minutes make .* 840 MiB .* allows 500"):
        budget.check_room(tmp_path / "new", max_mib=500.0, minutes=120.0)


def test_a_record_ends_at_its_bound_and_before_the_disk_is_full(tmp_path, small_disk, monkeypatch):
    assert budget.spent(tmp_path, 10 * budget.MIB, 10.0) == ""
    assert "reached its 10 MiB" in budget.spent(tmp_path, 10 * budget.MIB + 1, 10.0)
    monkeypatch.setattr(budget, "FREE_MIB", 1001)
    assert "less than 1001 MiB left" in budget.spent(tmp_path, 0, 10.0)
