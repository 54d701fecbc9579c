"""The teleop node beside a fake pad and a fake supervisor, over DDS."""

import time

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from node_rig import PATIENCE_S, NodeRig, spawn
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Joy
from std_srvs.srv import Trigger

from ros2_rl.nodes.conversions import reliable
from ros2_rl.teleop.config import load_teleop

CONFIG = load_teleop("pad")


def test_a_pad_steers_asks_and_is_missed_when_it_goes():
    rig = NodeRig("teleop")
    commands, asked = [], []

    def take_over(_, response):
        asked.append(time.monotonic())
        response.success, response.message = True, "You drive."
        return response

    rig.node.create_service(Trigger, "supervisor/take_over", take_over)
    rig.node.create_subscription(TwistStamped, "teleop/cmd_vel", commands.append, reliable(10))
    joy = rig.node.create_publisher(Joy, "joy", qos_profile_sensor_data)
    rig.wait_for_readers("joy")
    rig.wait_for_writers("teleop/cmd_vel")

    def send(held: bool, pressed: bool = False) -> None:
        msg = Joy(axes=[0.0] * 8, buttons=[0] * 12)
        msg.axes[CONFIG.vx.axis] = 1.0
        msg.buttons[CONFIG.deadman], msg.buttons[CONFIG.buttons["take_over"]] = int(held), int(pressed)
        joy.publish(msg)

    rig.wait(lambda: commands, "teleop/cmd_vel", lambda: send(True))
    assert commands[0].twist.linear.x == CONFIG.vx.full

    def press() -> None:
        send(False)
        send(False, True)

    rig.wait(lambda: asked, "the request", press)
    rig.wait(lambda: "silent" in rig.diagnostics[1], "the fault of a silent pad")
    assert rig.diagnostics[0] == DiagnosticStatus.WARN
    code, err = rig.close()
    assert code == 0 and "Traceback" not in err


def test_without_a_terminal_or_with_an_unknown_device_it_is_one_sentence():
    for device, words in (("keyboard", "no terminal"), ("wheel", "no teleop 'wheel'")):
        process = spawn("teleop", "-p", f"device:={device}")
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1 and words in err and "Traceback" not in err
