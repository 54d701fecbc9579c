"""The second before an event: what is kept, what is written, and what happens when it cannot be."""

import numpy as np
import pytest
from safety_rig import CONFIG, STATE_NS, Rig, state_at, target_at

from ros2_rl.robots import NS_PER_S
from ros2_rl.safety import blackbox
from ros2_rl.safety.blackbox import BlackBox, Entry, EventWriter, read_event, write_event
from ros2_rl.safety.modes import Mode, ModeRecord


def entry(stamp_ns: int) -> Entry:
    return Entry(state_at(stamp_ns), target_at(stamp_ns), Mode.POLICY)


def stamps(entries) -> list[int]:
    return [entry.state.stamp_ns for entry in entries]


def test_the_box_holds_the_last_second_and_no_more():
    box = BlackBox()
    for i in range(1000):
        box.add(entry(i * STATE_NS))
    assert stamps(box.contents()) == [i * STATE_NS for i in range(799, 1000)]


@pytest.mark.parametrize("stamp_ns", [0, 10**12])
def test_a_leap_in_time_begins_anew(stamp_ns):
    box = BlackBox()
    for i in range(100, 300):
        box.add(entry(i * STATE_NS))
    box.add(entry(stamp_ns))
    assert stamps(box.contents()) == [stamp_ns]


def tripped() -> Rig:
    rig = Rig().to_policy()
    rig.run(2.0)
    while rig.mode is Mode.POLICY:
        rig.step(tilt_deg=35)
    return rig


def test_an_event_is_written_with_the_second_before_it_and_read_again(tmp_path):
    rig = tripped()
    snapshot, path = rig.supervisor.snapshot(), tmp_path / "event.npz"
    write_event(path, snapshot, rig.supervisor.recent())
    about, arrays = read_event(path)
    assert (about["mode"], about["guard"], about["event"]) == ("RECOVERY", "tilt", "tilt")
    assert arrays["stamp_ns"][-1] == rig.stamp_ns == about["since_ns"]
    assert rig.stamp_ns - arrays["stamp_ns"][0] == pytest.approx(NS_PER_S, abs=2 * STATE_NS)
    assert arrays["q"].shape == arrays["command_q"].shape == (len(arrays["stamp_ns"]), 12)
    assert (arrays["mode"][-1], arrays["mode"][-2]) == ("RECOVERY", "POLICY")
    assert arrays["command_gains"][-1] == rig.command.gains
    np.testing.assert_array_equal(arrays["command_q"][-1], rig.command.q)
    assert [file.name for file in tmp_path.iterdir()] == ["event.npz"]


def test_a_state_without_an_answer_leaves_the_commands_out(tmp_path):
    write_event(tmp_path / "a.npz", Rig().supervisor.snapshot(), (Entry(state_at(0), None, Mode.PASSIVE),))
    assert "command_q" not in read_event(tmp_path / "a.npz")[1]


def test_what_is_an_event_and_what_is_not():
    rig = Rig(autostart=True)
    rig.until(Mode.POLICY, 4.0)
    assert rig.supervisor.snapshot().events == 0, "nothing has happened that anybody would look at"
    rig.run(0.02, tilt_deg=35)
    rig.run(0.2, tilt_deg=70)
    rig.until(Mode.POLICY, 20.0)
    assert (rig.supervisor.snapshot().events, rig.supervisor.snapshot().event) == (2, "fall")
    rig.supervisor.senses.temperatures = np.full(12, 90.0)
    rig.until(Mode.DAMPING, 5.0)
    assert rig.supervisor.snapshot().event == "temperature"
    before = rig.supervisor.snapshot().events
    for request in ("estop", "reset"):
        rig.supervisor.told()
        rig.supervisor.request(request)
    assert rig.supervisor.snapshot().events == before + 2
    assert rig.supervisor.snapshot().event == "passive"


def test_two_things_at_one_state_are_one_event():
    record = ModeRecord()
    record.trip(("tilt",), -1)
    record.fall()
    assert (record.events, record.event) == (1, "tilt and fall")
    record.told()
    record.enter(Mode.DAMPING, "hot", 0, guard="temperature")
    assert (record.events, record.event) == (2, "temperature")


def test_attempts_that_fail_are_an_event():
    rig = tripped()
    rig.until(Mode.DAMPING, 60.0, tilt_deg=90)
    assert rig.supervisor.snapshot().event == "recovery"
    assert CONFIG.recovery.attempts


def test_the_writer_names_its_files_and_goes_on_where_it_was(tmp_path):
    rig, folder = tripped(), tmp_path / "run" / "supervisor"
    for _ in range(2):
        writer = EventWriter(folder)
        writer.keep(rig.supervisor.snapshot(), rig.supervisor.recent())
        writer.close()
        assert (writer.written, writer.lost, writer.fault) == (1, 0, "")
    stamp_s = rig.stamp_ns / NS_PER_S
    names = sorted(path.name for path in folder.iterdir())
    assert names == [f"000{i}-{stamp_s:.3f}s-tilt.npz" for i in (1, 2)]


@pytest.mark.parametrize("how", ["no folder", "too many", "disk full"])
def test_an_event_that_cannot_be_written_is_counted_and_leaves_nothing(tmp_path, monkeypatch, how):
    folder = tmp_path / "supervisor"
    if how == "no folder":
        folder.write_text("")
    elif how == "too many":
        monkeypatch.setattr(blackbox, "MOST_FILES", 0)
    else:

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(blackbox.np, "savez", full)
    rig, writer = tripped(), EventWriter(folder)
    writer.keep(rig.supervisor.snapshot(), rig.supervisor.recent())
    writer.close()
    assert (writer.written, writer.lost) == (0, 1) and "-tilt.npz could not be written" in writer.fault
    assert folder.is_file() or not folder.exists() or not list(folder.iterdir())
