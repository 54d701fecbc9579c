"""The parts of bench/faults.py and bench/tilt.py that need no graph."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import faults  # noqa: E402
import tilt  # noqa: E402
from fault_campaign import EventCount, record_lacks_s  # noqa: E402
from fault_lines import SOUND, Line, TopicFault, cut, garbage, misnamed, not_a_number  # noqa: E402
from fault_plant import Watch, WatchedPlant  # noqa: E402
from tilt_runs import Walk, capture_margin  # noqa: E402

from ros2_rl.robots import JointCommand, load_robot  # noqa: E402

ROBOT = load_robot("go2")
RNG = np.random.default_rng(0)


class Wire:
    """A line whose far end and clock the test holds."""

    def __init__(self) -> None:
        self.now, self.got = 0.0, []
        self.line = Line(JointState, self.got.append, lambda: self.now)

    def send(self, stamp_s: int = 0) -> None:
        msg = JointState(name=["a", "b"], position=[1.0, 2.0], velocity=[0.0, 0.0])
        msg.header.stamp.sec = stamp_s
        self.line.carry(serialize_message(msg))

    @property
    def last(self) -> JointState:
        return deserialize_message(self.got[-1], JointState)


def test_the_catalogue_has_a_name_for_every_kind_and_all_nodes_are_killed_and_frozen():
    kinds = faults.catalogue()
    names = [kind.name for kind in kinds]
    assert len(set(names)) == len(names) >= 60
    for node in ("supervisor", "executor", "estimator", "practice", "learner", "recorder"):
        assert {f"{node}_killed", f"{node}_frozen"} <= set(names)
    assert all(kind.apart for kind in kinds if kind.needs or "killed" in kind.name)
    order = [[kind.name for kind in faults.ordered(kinds, seed)] for seed in (3, 3, 4)]
    assert order[0] == order[1] != order[2]


@pytest.mark.parametrize("copies", [0, 1, 2])
def test_a_line_drops_and_repeats(copies):
    wire = Wire()
    wire.line.spoil(TopicFault(copies=copies))
    wire.send(3)
    assert len(wire.got) == copies and wire.line.newest_ns == 3_000_000_000
    wire.line.mend()
    wire.send()
    assert len(wire.got) == copies + 1 and wire.line.fault is SOUND


def test_a_line_delays_in_robot_time():
    wire = Wire()
    wire.line.spoil(TopicFault(delay_s=0.1))
    wire.send()
    wire.now = 0.09
    wire.line.pump()
    assert not wire.got
    wire.now = 0.1
    wire.line.pump()
    assert len(wire.got) == 1


def test_what_is_altered():
    wire = Wire()
    wire.line.spoil(TopicFault(alter=not_a_number))
    wire.send()
    assert all(map(math.isnan, wire.last.position))
    wire.line.spoil(TopicFault(alter=garbage))
    wire.send()
    assert np.isfinite(wire.last.position).all() and np.abs(wire.last.position).max() > 10.0
    wire.line.spoil(TopicFault(alter=cut))
    wire.send()
    assert list(wire.last.position) == [1.0]
    wire.line.spoil(TopicFault(alter=misnamed))
    wire.send()
    assert wire.last.name == ["arm_a", "arm_b"]


def test_the_plant_judges_what_reaches_it():
    plant = WatchedPlant(ROBOT)
    zero = np.zeros(12)
    plant.apply(JointCommand(0, ROBOT.stand_pose, zero, zero, "stand"))
    assert not plant.watch.worst.outside and plant.watch.changes[-1].gains == "stand"
    plant.apply(JointCommand(0, np.full(12, np.nan), zero, zero, "stand"))
    assert plant.watch.rejected == 1 and not plant.watch.worst.outside
    plant.apply(JointCommand(0, ROBOT.q_upper + 0.1, zero, zero, "stand"))
    assert plant.watch.worst.outside and plant.watch.worst.beyond_rad == pytest.approx(0.1)
    plant.watch = Watch()
    plant.apply(JointCommand(0, ROBOT.stand_pose, zero, 2 * ROBOT.tau_max, "stand"))
    assert plant.watch.worst.beyond_nm > 1.0


def line(**changes) -> dict:
    good = {
        "kind": "a", "number": 1, "lockstep": True, "noticed": True, "in_time": True, "safe": True,
        "fell": False, "notice_ms": 5.0, "reaction_ms": 5.0, "beyond_rad": 0.0, "beyond_speed": -1.0,
        "beyond_nm": -1.0, "refused": 0,
    }  # fmt: skip
    return good | changes


def test_figures_and_the_musts_that_are_missed():
    graph = {"graph": "x", "events": 4, "whole": 4, "unreadable": 0}
    found = faults.figures([line(), line(kind="b"), graph])
    assert found["injections"] == 2 and found["b.noticed"] == 1.0 and faults.missed(found) == []
    for change, word in (
        ({"noticed": False}, "noticed"),
        ({"in_time": False}, "in time"),
        ({"safe": False}, "safely"),
        ({"beyond_rad": 0.01}, "limits"),
        ({"refused": 1}, "limits"),
        ({"reaction_ms": 16.0}, "reaction"),
        ({"record_lacks_s": 1.5}, "record"),
    ):
        (said,) = faults.missed(faults.figures([line(**change), graph]))
        assert word in said
    assert faults.missed(faults.figures([line(), graph | {"whole": 3}])) == ["every event has its file"]


def test_a_campaign_goes_on_where_its_log_ends(tmp_path):
    log = faults.Log(tmp_path / "log")
    log.add(line())
    again = faults.Log(tmp_path / "log")
    assert again.has("a", 1) and not again.has("a", 2) and not again.has("b", 1)


def test_a_record_that_cannot_be_read_lacks_everything(tmp_path):
    assert record_lacks_s(tmp_path / "none", 10**18) == math.inf


def test_events_are_counted_over_several_lives():
    count = EventCount()
    for events, lost in ((1, 0), (3, 1), (0, 0), (2, 0)):
        count.hear({"events": str(events), "events_lost": str(lost)})
    assert count.total == 4


def walk(tilts_deg: list[float], fall_s: float) -> Walk:
    seen = np.zeros((len(tilts_deg), 19))
    seen[:, 0] = np.radians(tilts_deg)
    return Walk(seen, fall_s)


def test_a_trigger_is_judged_by_lead_and_false_trips():
    walks = [walk([10, 31, 10, 31, 31, 50], 6 / 200), walk([10, 31, 31, 10], np.inf), walk([10] * 4, np.inf)]
    row = tilt.judge(tilt.triggers()["tilt_30"], walks, walks[0].seen)
    assert row["lead_median_s"] == pytest.approx(2 / 200) and row["false_share"] == 0.5
    assert row["calm_trips"] == 2 and row["missed"] == 0


def test_the_capture_margin_is_the_distance_to_the_polygon_of_the_feet():
    row = np.zeros((2, 19))
    row[:, 10] = 0.27
    row[:, 11:] = np.array([[0.2, 0.15], [0.2, -0.15], [-0.2, 0.15], [-0.2, -0.15]]).ravel()
    row[1, 8] = 0.3 / np.sqrt(0.27 / 9.81)
    assert capture_margin(row) == pytest.approx([0.15, -0.15])
