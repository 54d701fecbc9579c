"""Records: what was written comes back, whole, broken or foreign."""

import struct
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_rig import STATE_NS, WALL_NS, open_writer, states, write_bag
from rosbags.highlevel import AnyReader

from ros2_rl.errors import RecordError
from ros2_rl.recording.decode import Decoder
from ros2_rl.recording.definitions import definition, type_hash
from ros2_rl.recording.reader import Bag
from ros2_rl.recording.recover import main as recover_main
from ros2_rl.recording.writer import BagWriter


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A finished record of five chunks, its messages, and its bytes."""
    folder = tmp_path_factory.mktemp("run") / "bag"
    messages = write_bag(folder)
    return folder, messages, (folder / "bag_0.mcap").read_bytes()


def test_what_was_written_comes_back(written):
    folder, messages, _ = written
    bag = Bag(folder)
    assert list(bag.messages()) == messages
    assert bag.damage == ""
    assert bag.counts["/joint_states"] == 100
    assert bag.notes["ros2_rl"]["seed"] == "1" and bag.files["policy.onnx"] == bytes(100)
    assert bag.span_s() == (0.0, 0.99)
    assert [m.topic for m in bag.messages(["/imu/data"])] == ["/imu/data"] * 100
    assert Bag(folder.parent).counts == bag.counts == Bag(folder / "bag_0.mcap").counts


def test_another_reader_of_rosbag2_agrees(written):
    folder, messages, _ = written
    with AnyReader([folder]) as reader:
        read = [(connection.topic, stamp, bytes(raw)) for connection, stamp, raw in reader.messages()]
        assert read == [(m.topic, m.log_ns, m.data) for m in messages]
        (joints,) = (c for c in reader.connections if c.topic == "/joint_states")
        assert joints.digest == type_hash("sensor_msgs/msg/JointState")
        last = reader.deserialize(messages[-1].data, joints.msgtype)
        assert last.header.stamp.nanosec == 99 * STATE_NS


def test_metadata_says_what_ros2_bag_needs(written):
    content = yaml.safe_load((written[0] / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert content["storage_identifier"] == "mcap" and content["version"] == 9
    assert content["message_count"] == 300 and content["relative_file_paths"] == ["bag_0.mcap"]
    about = {t["topic_metadata"]["name"]: t for t in content["topics_with_message_count"]}
    (latched,) = about["/policy/adapter"]["topic_metadata"]["offered_qos_profiles"]
    assert latched["durability"] == "transient_local"
    (sensor,) = about["/imu/data"]["topic_metadata"]["offered_qos_profiles"]
    assert sensor["reliability"] == "best_effort"


def test_messages_are_decoded_by_the_definitions_in_the_record(written, monkeypatch):
    monkeypatch.setattr("ros2_rl.recording.decode.definition", lambda kind: "")
    bag = Bag(written[0])
    decoded = [obj for _, _, obj in Decoder(bag).messages(["joint_states", "foot_forces"])]
    assert len(decoded) == 200
    assert decoded[0].data.tolist() == [1.0, 2.0, 3.0, 4.0] and decoded[1].name[11] == "joint11"


def test_a_record_is_never_overwritten(written):
    with pytest.raises(RecordError, match="holds a record already"):
        BagWriter(written[0])


def test_a_definition_holds_all_that_a_type_contains():
    text = definition("nav_msgs/msg/Odometry")
    for part in ("geometry_msgs/PoseWithCovariance", "geometry_msgs/Point", "std_msgs/Header"):
        assert text.count(f"MSG: {part}\n") == 1
    assert definition("no_such_msgs/msg/Thing") == ""


def test_a_killed_recorder_loses_only_what_was_not_flushed(tmp_path):
    messages = write_bag(tmp_path / "bag", close=False)
    bag = Bag(tmp_path)
    assert list(bag.messages()) == messages
    assert "not whole" in bag.damage and "ros2 run ros2_rl recover" in bag.damage


@given(data=st.data())
def test_a_file_cut_anywhere_gives_what_was_whole_or_a_sentence(written, tmp_path_factory, data):
    _, messages, content = written
    cut = data.draw(st.integers(0, len(content) - 1))
    file = tmp_path_factory.mktemp("cut") / "cut.mcap"
    file.write_bytes(content[:cut])
    try:
        bag = Bag(file)
    except RecordError as error:
        assert str(error).endswith(".") and cut < 0.4 * len(content)
        return
    read = list(bag.messages())
    assert read == messages[: len(read)] and len(read) % 60 == 0
    assert len(read) == sum(bag.counts.values())
    assert bag.damage


def read_with(written, folder, at: int, value: int) -> None:
    """Read a file with one byte changed: messages that were written, or a sentence."""
    _, messages, content = written
    file = folder / "bad.mcap"
    file.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
    kept = {m.data for m in messages}
    try:
        for message in Bag(file).messages():
            assert message.data in kept
    except RecordError as error:
        assert str(error).endswith(".")


@settings(max_examples=30)
@given(data=st.data())
def test_a_damaged_byte_is_never_misread(written, tmp_path_factory, data):
    content = written[2]
    at = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda v: v != content[at]))
    read_with(written, tmp_path_factory.mktemp("bad"), at, value)


def test_lengths_that_no_record_has(written, tmp_path):
    for at in range(100, 260):
        for value in (0x80, 0xFF):
            read_with(written, tmp_path, at, value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.mcap", b"", "is empty"),
        ("short.mcap", b"\x89MC", "ends after 3 bytes"),
        ("old.db3", b"SQLite format 3\0", "ros2 bag convert"),
        ("ros1.bag", b"#ROSBAG V2.0\n", "ROS 1"),
        ("holiday.jpg", b"\xff\xd8\xff\xe0 JFIF", "no MCAP file"),
    ],
)
def test_what_is_no_record_is_said_so(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordError, match=words):
        Bag(tmp_path / name)


def test_a_folder_without_a_record_is_said_so(tmp_path):
    with pytest.raises(RecordError, match="There is no record"):
        Bag(tmp_path / "nowhere")
    with pytest.raises(RecordError, match="record:=true"):
        Bag(tmp_path)
    (tmp_path / "bag_0.db3").write_bytes(b"SQLite format 3\0")
    with pytest.raises(RecordError, match="ros2 bag convert"):
        Bag(tmp_path)


def test_a_record_of_something_else_names_what_it_lacks(tmp_path):
    writer = open_writer(tmp_path / "bag")
    for message in states(3):
        if message.topic == "/imu/data":
            writer.write(message)
    writer.close()
    with pytest.raises(RecordError, match="has no joint_states; it has /imu/data"):
        Bag(tmp_path).full_name("joint_states")


def test_a_record_of_another_profile_is_refused(tmp_path):
    profile = b"ros1"
    header = struct.pack("<I", len(profile)) + profile + struct.pack("<I", 0)
    (tmp_path / "a.mcap").write_bytes(b"\x89MCAP0\r\n" + struct.pack("<BQ", 1, len(header)) + header)
    with pytest.raises(RecordError, match="not made by ROS 2 but for 'ros1'"):
        Bag(tmp_path)


def test_recover_makes_a_whole_record(tmp_path, capsys):
    messages = write_bag(tmp_path / "run" / "bag", close=False)
    assert recover_main([str(tmp_path / "run")]) == 0
    assert "300 messages" in capsys.readouterr().out
    saved = Bag(tmp_path / "run" / "bag_recovered")
    assert list(saved.messages()) == messages and saved.damage == ""
    assert "not whole" in saved.notes["recovered"]["damage"] and saved.files["policy.onnx"]
    with AnyReader([tmp_path / "run" / "bag_recovered"]) as reader:
        assert reader.message_count == 300
    assert recover_main([str(tmp_path / "run")]) == 1
    assert "holds a record already" in capsys.readouterr().err


def test_a_robot_in_a_namespace_is_found(tmp_path):
    writer = open_writer(tmp_path / "bag", "/lab/go2")
    writer.note("ros2_rl", {"namespace": "/lab/go2"})
    for message in states(1):
        message.topic = "/lab/go2" + message.topic
        writer.write(message)
    writer.close()
    bag = Bag(tmp_path)
    assert bag.has("imu/data") and bag.full_name("imu/data") == "/lab/go2/imu/data"
    assert next(bag.messages()).publish_ns == WALL_NS


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot be written"):
        BagWriter(Path(tmp_path / "file" / "bag"))
