"""Reports: one page that needs nothing beside it, from whole and broken records, of one run and two."""

import json
import re

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from recording_rig import WALL_NS, Walk, open_writer, states, supervisor, write_bag

from ros2_rl.errors import RecordError
from ros2_rl.nodes.conversions import status_msg
from ros2_rl.recording.figures import POINTS, thin
from ros2_rl.recording.replay import main as replay_main
from ros2_rl.recording.report import main as report_main
from ros2_rl.recording.report import report
from ros2_rl.recording.run_data import load_run
from ros2_rl.recording.tables import contents, events, key_figures, settings
from ros2_rl.recording.writer import Message

STEPS = 50


def test_the_record_of_an_arm_is_named(tmp_path, capsys):
    writer = open_writer(tmp_path / "bag")
    writer.note("ros2_rl", {"namespace": "", "robot": "arm", "task": "reach"})
    for message in states(5):
        writer.write(message)
    writer.close()
    for tool, words in ((report_main, "no report"), (replay_main, "no replay")):
        assert tool([str(tmp_path / "bag")]) == 1
        assert f"is of the robot arm, and there is {words}" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists() and not (tmp_path / "replay").exists()


def say(writer, kind: str, **values: float) -> None:
    """A report of the learner."""
    data = serialize_message(status_msg("learner", kind, **values))
    writer.write(Message("/learner/report", 10**9, WALL_NS + 2 * 10**9, data, 1))


def learned(walk_folder) -> None:
    """Add a learner's reports and a fall to the record of a walk: as another file of the same record."""
    writer = open_writer(walk_folder / "more")
    say(writer, "pretrained", **{"return": 29.0, "falls": 0.0})
    say(writer, "zero_shot", **{"return": 19.0, "falls": 0.0})
    for minute in range(1, 4):
        figures = {"train_return": 18.0 + minute, "falls": 1.0, "override_share": 0.01}
        say(writer, "progress", robot_minutes=float(minute), **figures)
        say(writer, "update", robot_minutes=float(minute), kl_to_base=0.01 * minute)
    say(writer, "final", **{"return": 25.0, "robot_minutes": 3.0})
    fallen = supervisor("RECOVERY", 500_000_000, reason="tilt <b>30</b>", falls=1, overrides=1)
    writer.write(Message("/supervisor/state", 10**9, WALL_NS + 2 * 10**9, fallen, 1))
    writer.close()
    added, bag = walk_folder / "more" / "more_0.mcap", walk_folder / "bag"
    added.rename(bag / "bag_1.mcap")
    (bag / "metadata.yaml").unlink()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    Walk(folder / "bag", STEPS)
    learned(folder)
    (folder / "summary.json").write_text(
        json.dumps({"final_return": 25.25, "gap": "default", "latency": {"p50": 2.0}})
    )
    return folder


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return report([run], out).read_text(), out


def test_the_page_needs_nothing_beside_it(page):
    text, _ = page
    references = re.findall(r"(?:src|href)=[\"']([^\"'#]*)", text)
    assert [name for name in references if name] == []
    assert "<script" not in text and "@import" not in text and "url(http" not in text


def test_the_page_has_curves_tables_events_and_settings(page):
    text, out = page
    for words in ("Learning", "Tracking of the command", "Safety", "pretrained", "KL to base", "final_return",
                  "25.25", "p50 2", "RECOVERY", "policy_contract", "parameters/policy_executor",
                  "sensor_msgs/msg/JointState"):  # fmt: skip
        assert words in text, words
    assert text.count("<svg") == 3 and text.count("</svg>") == 3
    for name in ("learning", "tracking", "safety"):
        assert (out / "report" / f"{name}.png").stat().st_size > 5000


def test_what_a_record_says_is_text_and_never_markup(page):
    assert "tilt &lt;b&gt;30&lt;/b&gt;" in page[0] and "<b>30</b>" not in page[0]


def test_the_report_lies_in_the_runs_folder_and_is_the_same_each_time(run, page, capsys):
    assert report_main([str(run)]) == 0
    assert str(run / "report.html") in capsys.readouterr().out
    assert (run / "report.html").read_text() == page[0]


def test_two_runs_stand_side_by_side(run, tmp_path):
    Walk(tmp_path / "other" / "bag", STEPS, seed=4)
    text = report([run, tmp_path / "other"], tmp_path).read_text()
    assert f"<h1>{run.name} and other</h1>" in text
    assert "class=differs" in text and "not in this record" in text


def test_figures_are_those_of_the_record(run):
    data = load_run(run)
    assert len(data.time_s) == STEPS and data.steps["tau"].shape == (STEPS, 12)
    assert data.acting.tolist() == [True] * 25 + [False] * 25  # in RECOVERY from 0.5 s on
    assert data.tilt_deg.max() < 45.0 and data.action_rate.shape == (STEPS - 1,)
    figures = dict(key_figures([data]))
    assert figures["recorded control steps"] == [str(STEPS)]
    assert figures["falls, overrides at the end"] == ["1, 1"]
    error = (data.steps["command"] - data.steps["lin_vel"])[:25, :2]
    expected = ", ".join(f"{v:.3f}" for v in np.sqrt(np.mean(error**2, axis=0)))
    (found,) = [value for name, value in figures.items() if name.startswith("tracking RMSE")]
    assert found == [expected]
    assert [row[1] for row in events(data)] == ["POLICY", "RECOVERY"]
    assert ("/policy/step", "std_msgs/msg/Float32MultiArray", str(STEPS)) in [
        row[:3] for row in contents(data)
    ]
    assert [name for name, _ in settings([data])][:2] == ["ros2_rl", "git"]


def test_curves_are_thinned_by_their_means():
    time = np.arange(10.0 * POINTS)
    thin_time, thin_values = thin(time, 2.0 * time)
    assert len(thin_time) == POINTS and np.allclose(thin_values, 2.0 * thin_time)
    assert thin(time[:5], time[:5])[0] is not None and len(thin(time[:5], time[:5])[0]) == 5


def test_a_half_written_record_is_reported_with_a_warning(tmp_path):
    write_bag(tmp_path / "run" / "bag", flushes=5, each=100, close=False)
    text = report([tmp_path / "run"], tmp_path).read_text()
    assert "class='warning'" in text and "not whole" in text


def test_a_record_of_another_version_is_said_so(run, monkeypatch):
    def older(*_):
        raise ValueError("policy/step lacks height")

    monkeypatch.setattr("ros2_rl.recording.run_data.unpack", older)
    with pytest.raises(RecordError, match=r"another version of ros2_rl \(policy/step lacks height\)"):
        load_run(run)


def test_a_record_of_something_else_is_said_so(tmp_path, capsys):
    writer = open_writer(tmp_path / "bag")
    for message in states(3):
        if message.topic == "/imu/data":
            writer.write(message)
    writer.close()
    with pytest.raises(RecordError, match="not one of a robot of ours: it has only /imu/data"):
        load_run(tmp_path)
    assert report_main([str(tmp_path / "nowhere")]) == 1
    assert "There is no record" in capsys.readouterr().err
