"""The simulated robot under its policy, without a learner: it practises until Ctrl-C.

ros2 launch ros2_rl sim.launch.py gap:=default headless:=false
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction

from ros2_rl.bringup import checked, declarations, end_together, given, onlookers, robot_nodes, transports
from ros2_rl.launch_args import SIM_ARGUMENTS, check_sim_args


def start(context: LaunchContext) -> list:
    """Check the arguments, then begin all nodes."""
    args = checked(check_sim_args, given(context, SIM_ARGUMENTS, __file__))
    nodes = robot_nodes(args, gap_from_start=True)
    return [*transports(args), *end_together(nodes), *nodes, *onlookers(args)]


def generate_launch_description() -> LaunchDescription:
    """The arguments, then the nodes."""
    return LaunchDescription([*declarations(SIM_ARGUMENTS), OpaqueFunction(function=start)])
