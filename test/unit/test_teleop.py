"""What a person's hands say, and whose command holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ros2_rl.errors import ConfigError
from ros2_rl.paths import share_path
from ros2_rl.policy.schedule import DriverSchedule
from ros2_rl.tasks import load_task
from ros2_rl.tasks.steering import FRESH_NS, Steering
from ros2_rl.teleop.config import REQUESTS, KeyboardConfig, PadConfig, load_teleop
from ros2_rl.teleop.intent import Keyboard, Pad

CONFIG = load_teleop("pad")
HELD = {CONFIG.deadman: 1}
RANGES = load_task("trot").command_ranges


def buttons(*down: str, **more: int) -> list[int]:
    pressed = [0] * 12
    for name in down:
        pressed[CONFIG.deadman if name == "deadman" else CONFIG.buttons[name]] = 1
    return pressed


def axes(vx: float = 0.0, wz: float = 0.0) -> list[float]:
    values = [0.0] * 8
    values[CONFIG.vx.axis], values[CONFIG.wz.axis] = vx, wz
    return values


@pytest.mark.parametrize("name", [p.stem for p in share_path("config", "teleop").glob("*.yaml")])
def test_every_mapping_that_is_shipped_can_ask_for_everything(name):
    config = load_teleop(name)
    asked = config.buttons if isinstance(config, PadConfig) else config.keys
    assert set(asked) == set(REQUESTS)


def test_velocities_only_while_the_deadman_is_held():
    pad = Pad(CONFIG)
    assert pad.update(axes(vx=1.0), buttons(), 0.0).velocity is None
    intent = pad.update(axes(1.0, -1.0), buttons("deadman"), 0.1)
    np.testing.assert_allclose((*intent.velocity, intent.yaw_rate), (1.0, 0.0, 0.0, -0.8))
    assert pad.update(axes(vx=1.0), buttons(), 0.2).velocity is None


@given(st.floats(-1, 1))
def test_the_dead_zone_is_zero_and_beyond_it_nothing_jumps(value):
    pad = Pad(CONFIG)
    velocity = pad.update(axes(vx=value), buttons("deadman"), 0.0).velocity
    assert abs(velocity[0]) <= max(abs(value) - CONFIG.deadzone, 0.0) / (1 - CONFIG.deadzone) + 1e-9
    assert velocity[0] * value >= 0.0


def test_a_button_asks_once_when_it_goes_down_and_never_at_first_sight():
    pad = Pad(CONFIG)
    assert pad.update(axes(), buttons("take_over"), 0.0).requests == []
    pad.update(axes(), buttons(), 0.1)
    assert pad.update(axes(), buttons("take_over", "success"), 0.2).requests == ["take_over", "success"]
    assert pad.update(axes(), buttons("take_over", "success"), 0.3).requests == []


@pytest.mark.parametrize(
    ("axes_sent", "buttons_sent", "words"),
    [
        ([0.0], [0] * 12, "1 axes and 12 buttons"),
        ([float("nan")] * 8, [0] * 12, "not within"),
        ([5.0] * 8, [0] * 12, "not within"),
    ],
)
def test_a_device_that_does_not_fit_asks_for_nothing_and_is_named(axes_sent, buttons_sent, words):
    pad = Pad(CONFIG)
    intent = pad.update(axes_sent, buttons_sent, 0.0)
    assert intent.velocity is None and not intent.requests and words in pad.fault


def test_a_pad_that_sends_zeros_or_falls_silent_or_sticks_is_a_named_fault():
    pad = Pad(CONFIG)
    assert "no message" in pad.look(100.0)
    for t in np.arange(0.0, 6.0, 0.5):
        intent = pad.update(axes(), buttons("deadman"), t)
    assert "zeros" in pad.fault and intent.velocity is None
    pad.update(axes(vx=0.5), buttons("deadman"), 6.0)
    assert pad.fault == "" and "silent" in pad.look(8.0)
    pad.update(axes(), buttons(), 9.0)
    pad.update(axes(), buttons("success"), 9.5)
    stuck = pad.update(axes(vx=0.5), buttons("deadman", "success", "stop"), 31.0)
    assert "success" in pad.fault and "stuck" in pad.fault
    assert stuck.velocity is None and stuck.requests == ["stop"], "stop is heard from a faulty pad, too"


def test_the_mappings_of_an_arm_move_its_tool_up_and_do_not_turn_it():
    config = load_teleop("arm_pad")
    assert isinstance(config, PadConfig)
    sent = [0.0] * 8
    sent[config.axes["vz"].axis], held = 1.0, [int(i == config.deadman) for i in range(12)]
    intent = Pad(config).update(sent, held, 0.0)
    np.testing.assert_allclose((*intent.velocity, intent.yaw_rate), (0.0, 0.0, config.vz.full, 0.0))
    keys = Keyboard(load_teleop("arm_keyboard"))
    keys.press("f", 0.0)
    assert keys.intent(0.0).velocity.tolist() == [0.0, 0.0, -0.1]


@pytest.mark.parametrize("name", ["keyboard", "arm_keyboard"])
def test_the_line_of_help_names_every_key(name):
    config = load_teleop(name)
    words = config.help
    assert all(f"{pair.more}/{pair.less} {axis}" in words for axis, pair in config.pairs.items())
    assert all(request.replace("_", " ") in words for request in REQUESTS) and "space stop" in words


def test_keys_hold_for_a_moment_and_ask_once():
    config = load_teleop("keyboard")
    assert isinstance(config, KeyboardConfig)
    keys = Keyboard(config)
    assert keys.intent(0.0).velocity is None
    for key in "wd?":
        keys.press(key, 1.0)
    keys.press("t", 1.0)
    intent = keys.intent(1.1)
    asked = (*intent.velocity, intent.yaw_rate)
    np.testing.assert_allclose(asked, (config.vx.full, 0.0, 0.0, -config.wz.full))
    assert intent.requests == ["take_over"]
    after = keys.intent(1.1 + config.hold_s)
    assert after.velocity is None and not after.requests


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "not YAML"),
        ("vx: {axis: 1, full: 9}", "vx.full"),
        ("keys: {stop: a}\nvx: {more: a, less: b, full: 1}\nvy: {more: c, less: d, full: 1}\n"
         "wz: {more: e, less: f, full: 1}", "two meanings"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_is_one_sentence(text, words, tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(text)
    monkeypatch.setattr("ros2_rl.teleop.config.share_path", lambda *parts: tmp_path / parts[-1])
    with pytest.raises(ConfigError, match=words):
        load_teleop("mine")


def test_an_unknown_mapping_names_those_there_are():
    with pytest.raises(ConfigError, match=r"no teleop 'wheel'; available: .*pad"):
        load_teleop("wheel")


@given(st.integers(0, 10**10), st.integers(-(10**9), 10**9), st.booleans())
def test_a_persons_command_holds_while_it_is_fresh(seen, later, driving):
    steering, practised = Steering(RANGES), np.array((0.3, 0.0, 0.1))
    steering.put(np.array((9.0, np.float64(-9.0), 0.2)), seen)
    command = steering.choose(seen + later, driving, practised)
    if 0 <= later <= FRESH_NS:
        np.testing.assert_allclose(command, (RANGES["vx"][1], RANGES["vy"][0], 0.2))
    else:
        np.testing.assert_array_equal(command, np.zeros(3) if driving else practised)


def test_what_is_not_finite_asks_to_stand():
    steering = Steering(RANGES)
    steering.put(np.array((np.nan, 0.1, 0.1)), 0)
    assert not steering.choose(0, False, np.ones(3)).any()


def test_a_person_drives_from_and_until_the_announced_stamps():
    driver = DriverSchedule()
    assert not driver.at(5)
    driver.announce(10, 0)
    assert [driver.at(s) for s in (9, 10, 99)] == [False, True, True]
    driver.announce(10, 20)
    assert [driver.at(s) for s in (19, 20)] == [True, False]
    driver.announce(0, 0)
    assert not driver.at(15)
