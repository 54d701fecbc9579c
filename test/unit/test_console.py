"""The operator's page without a browser: shapes, curves, health, and who may see it."""

import socket

import numpy as np
import pinocchio as pin
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.console import server as console_server
from ros2_rl.console.geometry import RobotGeometry
from ros2_rl.console.plots import together
from ros2_rl.console.server import ConsoleServer
from ros2_rl.console.view import Curve, View
from ros2_rl.errors import ConfigError
from ros2_rl.health import STALE_S
from ros2_rl.robots import load_robot

ROBOT = load_robot("go2")
GEOMETRY = RobotGeometry(ROBOT.urdf, ROBOT.joints)


def view() -> View:
    return View(ROBOT.default_pose.copy(), np.zeros(4))


def places(q: np.ndarray) -> np.ndarray:
    """Where the shapes are in the base frame, (P, 3), as a browser puts frame into frame."""
    frames = {"": pin.SE3.Identity()}
    for path, position, quat in zip(GEOMETRY.frames, *GEOMETRY.poses(q), strict=True):
        own = pin.SE3(pin.Quaternion(*quat).normalized().toRotationMatrix(), position)
        frames[path] = frames[path.rpartition("/")[0]] * own
    return np.array([frames[s.path.rpartition("/")[0]].act(s.position) for s in GEOMETRY.primitives])


def test_the_soles_of_a_standing_robot_are_a_radius_above_the_floor():
    soles = [i for i, shape in enumerate(GEOMETRY.primitives) if shape.link in ROBOT.feet]
    assert len(soles) == 4
    heights = places(ROBOT.stand_pose)[soles, 2] + ROBOT.stand_height
    np.testing.assert_allclose(heights, GEOMETRY.primitives[soles[0]].size[0], atol=0.02)
    np.testing.assert_allclose(np.linalg.norm(GEOMETRY.poses(ROBOT.stand_pose)[1], axis=1), 1.0)


def test_a_turned_hip_moves_its_own_leg_only():
    pose = ROBOT.default_pose.copy()
    pose[ROBOT.joints.index("RL_hip_joint")] += 0.3
    far = np.abs(places(pose) - places(ROBOT.default_pose)).max(axis=1) > 1e-3
    moved = {shape.link[:2] for shape, moves in zip(GEOMETRY.primitives, far, strict=True) if moves}
    assert moved == {"RL"}


def test_what_is_no_urdf_and_a_joint_it_lacks_are_one_sentence(tmp_path):
    (tmp_path / "x.urdf").write_text("nothing")
    with pytest.raises(ConfigError, match="is it a URDF"):
        RobotGeometry(tmp_path / "x.urdf", ROBOT.joints)
    with pytest.raises(ConfigError, match="has no joint tail"):
        RobotGeometry(ROBOT.urdf, ("tail",))


@given(st.integers(1, 5000))
def test_a_curve_keeps_its_ends_and_never_grows_beyond_its_bound(number):
    curve = Curve()
    for i in range(number):
        curve.add(i, -i)
    points = curve.points
    assert len(points) <= 1000 and points[0, 0] == 0 and points[-1, 0] == number - 1
    assert (np.diff(points[:, 0]) > 0).all() and (points[:, 1] == -points[:, 0]).all()


def test_reports_become_curves_and_the_evaluations_before_become_lines():
    shown = view()
    shown.on_report("pretrained", {"return": "29.5", "robot_minutes": "0"})
    for minute, value in ((0.5, "18"), (1.0, "20"), (1.5, "nonsense"), (2.0, "21")):
        shown.on_report("progress", {"robot_minutes": str(minute), "train_return": value})
    shown.on_report("look", {"robot_minutes": "1.2", "return": "24"})
    drawn = together(shown, ["progress/train_return", "look/return", "pretrained", "zero_shot"])
    np.testing.assert_array_equal(drawn[0], [0.5, 1.0, 2.0])
    np.testing.assert_array_equal(drawn[1], [18, 20, 21])
    np.testing.assert_array_equal(drawn[2], [24, 24, 24])
    np.testing.assert_array_equal(drawn[3], [29.5] * 3)
    assert together(view(), ["progress/train_return"]) is None


def test_health_is_the_worst_word_and_silence_is_worse():
    shown = view()
    assert shown.health.line(0.0) == (3, "no node has been heard yet")
    shown.on_diagnostics("learner", 0, "train", {}, 10.0)
    shown.on_diagnostics("sim_bridge", 1, "late", {}, 10.0)
    assert shown.health.line(10.0) == (1, "sim_bridge: late")
    shown.on_diagnostics("sim_bridge", 0, "fine", {}, 11.0)
    assert shown.health.line(11.0) == (0, "2 nodes are well")
    level, text = shown.health.line(10.0 + STALE_S + 0.5)
    assert level == 3 and "learner: silent" in text and "sim_bridge" not in text


@given(st.dictionaries(st.sampled_from(["falls", "since_ns", "stamp_ns", "reason"]), st.text(max_size=5)))
def test_malformed_news_of_the_supervisor_do_no_harm(values):
    shown = view()
    shown.on_supervisor("POLICY", values, 1.0)
    assert shown.supervision.mode == "POLICY" and isinstance(shown.supervision.falls, int)


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(**given):
    return ConsoleServer(GEOMETRY, ROBOT.feet, lambda *_: None, **given)


def test_a_token_is_asked_for_beyond_this_machine_only_and_not_guessed_in_a_row(port, monkeypatch):
    local = serve(port=port)
    assert local.token == "" and local.url == f"http://localhost:{port}"
    local.stop()
    open_to_all = serve(host="0.0.0.0", port=port)
    other = open_to_all.token
    assert len(other) >= 12
    clock = [100.0]
    monkeypatch.setattr(console_server.time, "monotonic", lambda: clock[0])
    assert not open_to_all._is_right("guess")
    assert not open_to_all._is_right(other), "too soon after the last"
    clock[0] += 1.1
    assert open_to_all._is_right(f" {other} ")
    open_to_all.stop()


def test_an_address_that_cannot_be_had_is_one_sentence(port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(ConfigError, match=f"port {port} .*in use"):
            serve(port=port)
    with pytest.raises(ConfigError, match="IP address"):
        serve(host="kitchen", port=port)
