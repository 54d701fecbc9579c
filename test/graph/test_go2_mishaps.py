"""What becomes of the legs when the driver, the robot or a frame is lost, over real Cyclone DDS."""

import os
import signal

import numpy as np
import pytest
from go2_rig import ROBOT, DriverRig, Robot
from node_rig import PATIENCE_S

from ros2_rl.robots import JointCommand
from ros2_rl.unitree import layout
from ros2_rl.unitree.codec import Codec
from ros2_rl.unitree.idl import low_cmd

pytest_plugins = ("go2_rig",)


def follow(rig: DriverRig) -> None:
    """The driver follows a supervisor that lets the robot stand up."""
    rig.wait(lambda: rig.heard.get("joint_states"), "states")
    rig.gains = "stand"
    rig.wait(lambda: rig.state == "FOLLOWING", "FOLLOWING")


def calves(payload: bytes) -> float:
    """Mean angle of the four calves in a LowState, rad."""
    return float(np.frombuffer(payload, layout.LOW_STATE)[0]["motor_state"]["q"][2:12:3].mean())


def test_a_driver_that_is_killed_leaves_a_damped_robot(rig: DriverRig) -> None:
    follow(rig)
    rig.wait(lambda: rig.of("go2_sim")["drives"] == "commanded", "commanded drives")
    rig.process.kill()
    rig.wait(lambda: rig.of("go2_sim")["drives"] == "damping", "the robot's own damping")
    assert int(rig.of("go2_sim")["timeouts"]) > 0


def test_a_robot_that_falls_silent_ends_the_driver_and_is_given_back_if_it_can(
    rig: DriverRig, robot: Robot
) -> None:
    follow(rig)
    os.kill(robot.process.pid, signal.SIGSTOP)
    try:
        rig.wait(lambda: rig.process.poll() is not None, "the end")
    finally:
        os.kill(robot.process.pid, signal.SIGCONT)
    status, errors = rig.close()
    assert status == 1 and "Traceback" not in errors
    assert "has not been heard for 3 s" in errors
    assert "motion mode 'normal' could not be restored" in errors


@pytest.mark.parametrize("robot", [("mode:=''", "speed:=50.0")], indirect=True)
def test_a_robot_that_is_always_late_hears_its_commands(robot: Robot) -> None:
    writer, states = robot.command_writer(), robot.state_reader()
    zero = np.zeros(12)
    stand = low_cmd(Codec(ROBOT).command(JointCommand(0, ROBOT.stand_pose, zero, zero, "stand")))
    for _ in range(3000):
        writer.write(stand)
        newest = states.wait(PATIENCE_S)[-1].payload
        if calves(newest) > -2.0:
            break
    assert calves(newest) > -2.0


@pytest.mark.parametrize("robot", [("mode:=''",)], indirect=True)
def test_the_robot_drops_frames_with_a_wrong_check_sum(robot: Robot) -> None:
    writer, states = robot.command_writer(), robot.state_reader()
    zero = np.zeros(12)
    sound = Codec(ROBOT).command(JointCommand(0, ROBOT.stand_pose, zero, zero, "stand"))
    broken = bytearray(sound)
    broken[30] ^= 1

    def after(frame: bytes, count: int) -> float:
        """Where the calves are once the robot has sent so many states, with the frame said all the time."""
        for _ in range(count):
            writer.write(low_cmd(frame))
            newest = states.wait(PATIENCE_S)[-1].payload
        return calves(newest)

    lying = after(bytes(broken), 200)
    assert lying < -2.2
    assert after(sound, 500) > lying + 0.4
