"""Demonstrations of an arm's task, by the scripted operator or by a person, until there are enough.

    ros2 launch ros2_rl record_demos.launch.py task:=peg demos:=20 out:=demos/peg

The exit status is 0 only when all demonstrations were written.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction

from ros2_rl.bringup import arm_simulator, checked, declarations, end_together, given, node
from ros2_rl.demo_args import DEMO_ARGUMENTS, check_demo_args


def start(context: LaunchContext) -> list:
    """Check the arguments, then begin all nodes."""
    args = checked(check_demo_args, given(context, DEMO_ARGUMENTS, __file__))
    awaited = ["joint_commands", "policy/targets"]
    simulator = arm_simulator(args, awaited)
    executor = node(
        "arm_executor",
        args,
        task=args.task,
        seed=args.seed,
        lockstep=args.lockstep,
        demos=args.demos,
        demos_dir=args.out,
    )
    nodes = [simulator, node("supervisor", args, lockstep=args.lockstep), executor]
    if args.operator == "scripted":
        told = {"task": args.task, "seed": args.seed, "lockstep": args.lockstep}
        nodes.append(node("operator", args, **told, always=True))
    return [*end_together(nodes, goal=executor), *nodes]


def generate_launch_description() -> LaunchDescription:
    """The arguments, then the nodes."""
    return LaunchDescription([*declarations(DEMO_ARGUMENTS), OpaqueFunction(function=start)])
