"""The doctor: what is well is left alone, what is not has a remedy, and only what stops a run fails."""

import io
from pathlib import Path

import numpy as np
import pytest
from policy_rig import CONTRACT, write_random
from rich.console import Console

from ros2_rl.doctor.cli import main, report
from ros2_rl.doctor.clock import check_clock, kernel_says, naps
from ros2_rl.doctor.finding import Finding, Level, judged
from ros2_rl.doctor.machine import check_machine
from ros2_rl.doctor.network import check_network
from ros2_rl.doctor.versions import check_versions
from ros2_rl.unitree import interface


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    assert all(bool(f.remedy) == (f.level is not Level.OK) for f in findings), findings
    return {finding.what: finding for finding in findings}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """``/proc`` and ``/sys`` of a healthy computer."""
    for name, text in {
        "proc/meminfo": "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n",
        "proc/sys/net/core/rmem_max": "4194304\n",
        "sys/kernel/realtime": "1\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
        "sys/class/net/eth0/operstate": "up\n",
        "sys/class/net/wlan0/operstate": "down\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


# ------------------------------------------------------------------------------ machine


def test_a_simulation_asks_less_of_the_machine_than_a_robot(root: Path) -> None:
    less, more = by_name(check_machine(root)), by_name(check_machine(root, on_robot=True))
    assert set(less) == {"cores", "load", "memory", "disk"}
    assert set(more) - set(less) == {"CPU governor", "kernel", "real-time priority", "memory lock"}
    assert more["kernel"].found == "PREEMPT_RT" and more["CPU governor"].level is Level.OK
    assert less["memory"].found == "7.6 GiB available"


def test_a_poor_machine_is_told_what_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "proc/meminfo").write_text("MemAvailable: 1000000 kB\n")
    (root / "sys/kernel/realtime").unlink()
    (root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").write_text("powersave")
    monkeypatch.setattr("ros2_rl.realtime.Kernel.cores", lambda _: {0})
    monkeypatch.setattr("ros2_rl.realtime.Kernel.may_lock", lambda _: False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("os.getloadavg", lambda: (3.0, 0.0, 0.0))
    monkeypatch.setattr("resource.getrlimit", lambda _: (0, 0))
    monkeypatch.setattr("ros2_rl.doctor.machine.FREE_BYTES", 2**80)
    found = by_name(check_machine(root, on_robot=True))
    assert all(finding.level is not Level.OK for finding in found.values())
    assert [name for name, finding in found.items() if finding.level is Level.FAIL] == ["disk"]
    assert "'rtprio 98'" in found["real-time priority"].remedy and "cpupower" in found["CPU governor"].remedy


# ------------------------------------------------------------------------------ network


@pytest.mark.parametrize(
    ("environment", "name", "level"),
    [
        ({}, "ROS_DOMAIN_ID", Level.OK),
        ({"ROS_DOMAIN_ID": "101"}, "ROS_DOMAIN_ID", Level.OK),
        ({"ROS_DOMAIN_ID": "102"}, "ROS_DOMAIN_ID", Level.FAIL),
        ({"ROS_DOMAIN_ID": "robot"}, "ROS_DOMAIN_ID", Level.FAIL),
        ({}, "discovery", Level.OK),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, "discovery", Level.WARN),
        ({"ROS_LOCALHOST_ONLY": "1"}, "discovery", Level.WARN),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}, "discovery", Level.FAIL),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "everywhere"}, "discovery", Level.FAIL),
    ],
)
def test_the_settings_of_ros(root: Path, environment: dict, name: str, level: Level) -> None:
    found = by_name(check_network("eth9", environment, root, lambda _: True))
    assert found[name].level is level


def test_a_small_buffer_and_a_missing_interface(root: Path) -> None:
    (root / "proc/sys/net/core/rmem_max").write_text("212992")
    found = by_name(check_network("eth9", {}, root))
    assert found["receive buffer"].level is Level.WARN
    assert found["interface eth9"].remedy == "choose one of eth0, wlan0"
    assert set(by_name(check_network("", {}, root))) == {"ROS_DOMAIN_ID", "discovery", "receive buffer"}


@pytest.mark.parametrize(
    ("name", "flags", "address", "answer", "failed"),
    [
        ("eth0", 0x1001, "192.168.123.222", True, set()),
        ("eth0", 0x1001, "192.168.123.222", False, {"robot"}),
        ("eth0", 0x1001, "10.0.0.5", True, {"address"}),
        ("eth0", 0x1001, None, True, {"address"}),
        ("eth0", 0x0001, "192.168.123.222", True, {"multicast"}),
        ("wlan0", 0x1001, "192.168.123.222", True, {"interface wlan0"}),
        ("eth0", 0x1000, "192.168.123.222", True, {"interface eth0"}),
    ],
)
def test_the_cable_to_the_robot(root, monkeypatch, name, flags, address, answer, failed) -> None:
    monkeypatch.setattr(interface, "_flags", lambda _: flags)
    monkeypatch.setattr(interface, "address_of", lambda _: address)
    found = by_name(check_network(name, {}, root, lambda _: answer))
    assert {what for what, finding in found.items() if finding.level is Level.FAIL} == failed


def test_without_ping_nobody_can_say(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "_flags", lambda _: 0x1001)
    monkeypatch.setattr(interface, "address_of", lambda _: "192.168.123.222")
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert by_name(check_network("eth0", {}, root))["robot"].found == "not asked"


def test_the_kernel_is_asked_about_a_real_interface() -> None:
    assert interface.address_of("lo") == "127.0.0.1" and interface.is_up("lo")
    assert interface.address_of("none0") is None and not interface.is_up("none0")


# -------------------------------------------------------------------------------- clock


def test_a_right_clock_and_punctual_timers() -> None:
    found = by_name(check_clock(lambda: 1.8e9, lambda: True, lambda: np.full(100, 1e-4)))
    assert all(finding.level is Level.OK for finding in found.values())
    assert found["timers"].found == "p99 0.10 ms late, worst 0.10 ms"


@pytest.mark.parametrize(("on_robot", "level"), [(True, Level.FAIL), (False, Level.WARN)])
def test_a_wrong_clock_and_late_timers(on_robot: bool, level: Level) -> None:
    found = by_name(check_clock(lambda: 0.0, lambda: False, lambda: np.full(100, 0.02), on_robot))
    assert (found["date"].level, found["date"].found) == (Level.FAIL, "1970-01-01 00:00 UTC")
    assert found["synchronisation"].level is Level.WARN and found["timers"].level is level
    assert by_name(check_clock(synchronised=lambda: None))["synchronisation"].found == "not known"


def test_this_computer_can_be_asked() -> None:
    assert kernel_says() in (True, False, None)
    late = naps()
    assert late.shape == (200,) and (late > -1e-3).all()


# ----------------------------------------------------------------------------- versions


def test_what_is_installed_is_named_and_what_is_not_as_well() -> None:
    found = by_name(
        check_versions("go2", "trot", libraries={"numpy": "numpy", "no_such": "no-such", "json": "json"})
    )
    assert found["numpy"].found == np.__version__ and found["json"].found == "of the system"
    assert found["no_such"].level is Level.FAIL and "make setup" in found["no_such"].remedy
    assert found["ROS 2"].found.endswith("rmw_fastrtps_cpp")


def test_files_that_do_not_fit_together_are_told_in_their_own_words(tmp_path: Path) -> None:
    from dataclasses import replace

    policy = write_random(tmp_path / "p.onnx", replace(CONTRACT, step_dt=0.01))
    for arguments, words in (
        (("go2", "trot", str(policy)), "step_dt is 0.01 s, but the task trot"),
        (("spot", "trot"), "no robot 'spot'"),
        (("go2", "trot", str(tmp_path / "none.onnx")), "none.onnx cannot be read"),
    ):
        finding = check_versions(*arguments, libraries={})[-1]
        assert finding.level is Level.FAIL and words in finding.remedy


# ------------------------------------------------------------------------------ the table


@pytest.mark.parametrize(
    ("bad", "level", "status", "verdict"),
    [
        (False, Level.FAIL, 0, "2 looked at: ready."),
        (True, Level.WARN, 0, "2 looked at: ready, 1 could be better."),
        (True, Level.FAIL, 1, "2 looked at: 1 must be mended."),
    ],
)
def test_only_a_failure_is_an_exit_status(bad: bool, level: Level, status: int, verdict: str) -> None:
    console = Console(file=io.StringIO(), width=100)
    parts = {"one": [judged("a", "x", bad, "mend it", level)], "two": [judged("b", "y", False, "never")]}
    assert report(parts, console) == status
    text = console.file.getvalue()
    assert verdict in text and ("mend it" in text) is bad and "never" not in text


def test_the_command_looks_at_everything(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ros2_rl.doctor.cli.check_versions", lambda *a: check_versions(*a, libraries={}))
    status = main([])
    text = capsys.readouterr().out
    assert status in (0, 1)
    for part in ("machine", "network", "clock", "versions", "looked at"):
        assert part in text
