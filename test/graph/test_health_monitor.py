"""``diagnostics`` of a node whose loop is too slow, and all nodes in one line, over DDS."""

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from node_rig import NodeRig
from rclpy.qos import qos_profile_sensor_data

from ros2_rl.nodes.conversions import reliable, status_msg, status_values, to_time


def close(rig: NodeRig) -> None:
    code, err = rig.close()
    assert code == 0 and "Traceback" not in err, err


def test_a_loop_below_its_rate_is_a_warning_with_the_figure():
    rig = NodeRig("practice", "-p", "lockstep:=true")
    odom, sent = rig.node.create_publisher(Odometry, "odom", qos_profile_sensor_data), [0]
    rig.wait_for_readers("odom")

    def walk() -> bool:
        sent[0] += 1
        msg = Odometry()
        msg.header.stamp, msg.pose.pose.orientation.w = to_time(sent[0] * 40_000_000), 1.0
        odom.publish(msg)
        return rig.diagnostics[0] == DiagnosticStatus.WARN

    rig.wait(walk, "a warning")
    _, text, values = rig.diagnostics
    # 25 Hz are sent; on a busy machine some of it gets lost.
    assert text == f"practising; runs at {values['loop_rate_hz']} Hz, below 45"
    assert 0.0 < float(values["loop_rate_hz"]) <= 25.0 and float(values["execution_ms_p99"]) > 0.0
    close(rig)


def test_all_nodes_are_one_line_with_the_worst_level():
    rig = NodeRig("health_monitor")
    pub = rig.node.create_publisher(DiagnosticArray, "diagnostics", reliable(10))
    lines: list[DiagnosticStatus] = []
    rig.node.create_subscription(DiagnosticStatus, "diagnostics_toplevel_state", lines.append, reliable(10))
    rig.wait_for_readers("diagnostics")
    rig.wait(lambda: lines, "the first line")
    assert lines[0].level == DiagnosticStatus.STALE and lines[0].message == "no node has been heard yet"
    words = [
        status_msg("supervisor", "POLICY"),
        status_msg("policy_executor", "policy; takes 12.0 ms, above 10", DiagnosticStatus.WARN),
    ]

    def told() -> bool:
        pub.publish(DiagnosticArray(status=words))
        return lines[-1].level == DiagnosticStatus.WARN

    rig.wait(told, "a warning")
    assert lines[-1].message == "policy_executor: policy; takes 12.0 ms, above 10"
    assert status_values(lines[-1]) == {"policy_executor": "warning", "supervisor": "ok"}
    words[1] = status_msg("policy_executor", "policy")

    def well() -> bool:
        pub.publish(DiagnosticArray(status=words))
        return lines[-1].level == DiagnosticStatus.OK

    rig.wait(well, "that all is well")
    assert lines[-1].message == "2 nodes are well"
    close(rig)
