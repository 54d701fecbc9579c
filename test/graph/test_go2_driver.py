"""The Go2's driver against a simulated Go2 over real Cyclone DDS, each test in domains of its own."""

import subprocess

import numpy as np
import pytest
from go2_rig import ROBOT, DriverRig, Robot
from node_rig import PATIENCE_S, spawn
from sensor_msgs.msg import JointState, Joy

from ros2_rl.domain import lease_domain
from ros2_rl.errors import ConfigError
from ros2_rl.nodes.conversions import reliable
from ros2_rl.unitree import connection, layout, services
from ros2_rl.unitree.connection import Connection
from ros2_rl.unitree.dds import Link
from ros2_rl.unitree.idl import LowState_, low_cmd, low_state
from ros2_rl.unitree.remote import BUTTONS

pytest_plugins = ("go2_rig",)
CONTROL_STEP_NS = 20_000_000


def test_a_supervisor_stands_the_robot_up_through_unitrees_protocol(rig: DriverRig, robot: Robot) -> None:
    rig.wait(lambda: len(rig.heard.get("joint_states", [])) > 100, "states")
    stamps = rig.heard["joint_states"]
    assert all(after - before > 0 for before, after in zip(stamps, stamps[1:], strict=False))
    assert sum(stamp % CONTROL_STEP_NS == 0 for stamp in stamps) > 0
    rig.wait(lambda: rig.heard.get("battery_state") and rig.heard.get("joy"), "battery and remote")
    assert set(rig.heard["imu/data"]) & set(stamps) and set(rig.heard["foot_forces"]) & set(stamps)
    assert robot.mode == ""
    for values in (rig.of("go2_driver"), rig.of("go2_sim")):
        assert float(values["loop_rate_hz"]) >= 0.0 and float(values["execution_ms_p99"]) >= 0.0
    rig.wait(lambda: float(rig.of("go2_driver")["loop_rate_hz"]) > 0.0, "the rate of the driver's loop")
    rig.gains = "stand"
    rig.wait(lambda: np.abs(rig.q - ROBOT.stand_pose).max() < 0.2, "a standing robot")
    rig.wait(lambda: rig.state == "FOLLOWING", "FOLLOWING")
    assert not rig.call("go2_driver/stand_up").success
    rig.gains = ""
    rig.wait(lambda: rig.state == "DAMPING", "damping for want of commands")
    rig.wait(lambda: rig.state == "OFF", "motors off")
    values = rig.diagnostics[2]
    assert int(values["command_timeouts"]) >= 1 and int(values["commands_sent"]) > 500
    assert float(values["period_ms_p50"]) > 0.5 and "no joint_commands" in rig.diagnostics[1]
    status, errors = rig.close()
    assert status == 0 and "Traceback" not in errors and robot.mode == "normal"


def test_the_robot_is_laid_down_before_its_mode_is_released(robot: Robot, wire: int) -> None:
    assert robot.sport(services.STAND_UP)[0] == 0
    states = robot.state_reader()

    def calves() -> float:
        payload = states.wait(PATIENCE_S)[-1].payload
        return float(np.frombuffer(payload, layout.LOW_STATE)[0]["motor_state"]["q"][2:12:3].max())

    while calves() < -1.95:
        assert robot.process.poll() is None
    rig = DriverRig(wire)
    try:
        rig.wait(lambda: len(rig.heard.get("joint_states", [])) > 10, "states")
        assert rig.q[2::3].max() < -2.0 and robot.mode == ""
        # By itself it can stand up and lie down, and the remote's emergency combination outranks all.
        assert rig.call("go2_driver/stand_up").success
        rig.wait(lambda: np.abs(rig.q - ROBOT.stand_pose).max() < 0.3, "a standing robot")
        remote = rig.node.create_publisher(Joy, "go2_sim/remote", reliable(1))
        held = Joy(axes=[0.0, 1.0, 0.0, 0.0], buttons=[int(name in ("L2", "B")) for name in BUTTONS])
        rig.wait(lambda: rig.estops, "the supervisor's emergency stop", again=lambda: remote.publish(held))
        rig.wait(lambda: rig.state == "HALTED", "a halt")
        assert "remote" in rig.diagnostics[1]
        assert rig.joy.axes[1] == 1.0 and list(rig.joy.buttons) == list(held.buttons)
        rig.gains = "stand"
        rig.wait(lambda: int(rig.diagnostics[2]["commands_refused"]) > 0, "a refusal")
        rig.gains = "damping"
        rig.wait(lambda: rig.state == "FOLLOWING", "damping commands to be followed")
    finally:
        status, errors = rig.close()
    assert status == 0 and "damp first" in errors


def test_commands_without_all_joints_are_refused(rig: DriverRig) -> None:
    rig.wait(lambda: rig.heard.get("joint_states"), "states")

    def short() -> None:
        msg = JointState(name=list(ROBOT.joints[:-1]), position=[0.0] * 11)
        msg.header.frame_id = "stand"
        rig.commands.publish(msg)

    rig.wait(lambda: int(rig.diagnostics[2].get("commands_refused", 0)) > 0, "a refusal", again=short)
    assert rig.state == "IDLE"
    assert "lacks RR_calf_joint" in rig.close()[1]


def test_a_second_writer_ends_the_driver(rig: DriverRig, robot: Robot) -> None:
    rig.wait(lambda: rig.heard.get("joint_states"), "states")
    rival = robot.command_writer()
    frame = low_cmd(layout.sealed(layout.new_low_cmd()))
    rig.wait(lambda: rig.process.poll() is not None, "the end", again=lambda: rival.write(frame))
    status, errors = rig.close()
    assert status == 1 and "Another program writes rt/lowcmd now" in errors and "Traceback" not in errors
    assert robot.mode == "normal"


def failed(domain: int, *parameters: str) -> str:
    """What a driver that cannot start says."""
    words = [word for p in (f"domain:={domain}", *parameters) for word in ("-p", p)]
    process = spawn("go2_driver", *words)
    try:
        _, errors = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        raise
    assert process.returncode == 1 and "Traceback" not in errors, errors
    return errors


def test_a_driver_that_cannot_start_says_why(wire: int) -> None:
    assert "no network interface 'eth77'" in failed(wire, "interface:=eth77")
    assert f"domain {wire}" in failed(wire, "robot_timeout_s:=0.5")


@pytest.mark.parametrize("robot", [("mode:=moonwalk",)], indirect=True)
def test_an_unknown_motion_mode_is_left_alone(robot: Robot, wire: int) -> None:
    assert "motion mode 'moonwalk'" in failed(wire) and robot.mode == "moonwalk"


@pytest.mark.parametrize("robot", [("mode:=''",)], indirect=True)
def test_a_robot_that_somebody_commands_is_left_alone(robot: Robot, wire: int) -> None:
    rival = robot.command_writer()
    frame = low_cmd(layout.sealed(layout.new_low_cmd()))
    process = spawn("go2_driver", "-p", f"domain:={wire}")
    while process.poll() is None:
        rival.write(frame)
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
    errors = process.communicate()[1]
    assert process.returncode == 1 and "Another program writes rt/lowcmd" in errors


def test_a_robot_in_another_domain_is_named(wire: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with lease_domain() as other:
        monkeypatch.setattr(connection, "REAL", wire)
        monkeypatch.setattr(connection, "REHEARSAL", other)
        robot = Robot(other)
        try:
            with pytest.raises(
                ConfigError, match=f"domain {wire} .*one does in domain {other}.*domain:={other}"
            ):
                Connection("lo", wire).find(0.2)
        finally:
            robot.close()


def test_states_with_a_wrong_check_sum_are_not_trusted(wire: int) -> None:
    writer = Link(wire, "lo").writer("rt/lowstate", LowState_)
    payload = bytearray(layout.sealed(np.zeros((), layout.LOW_STATE)))
    payload[200] ^= 1
    robot = Connection("lo", wire)
    for _ in range(100):
        writer.write(low_state(bytes(payload)))
        if robot.receive(0.05) == [] and robot.bad_frames:
            break
    with pytest.raises(ConfigError, match="wrong check sum"):
        robot.find(0.1)
    assert robot.bad_frames > 0
