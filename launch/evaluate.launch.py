"""The exam of a policy before it may be promoted, against its base. Exit status 0: it has passed.

    ros2 launch ros2_rl evaluate.launch.py policy:=runs/walk gap:=default

Leaves exam.json, exam.png and, where something can render, worst.mp4.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction

from ros2_rl.bringup import checked, declarations, end_together, given, node
from ros2_rl.evaluate_args import EVALUATE_ARGUMENTS, check_evaluate_args


def start(context: LaunchContext) -> list:
    """Check the arguments, then begin the examiner."""
    args = checked(check_evaluate_args, given(context, EVALUATE_ARGUMENTS, __file__))
    values = {name: getattr(args, name) for name in ("policy", "base", "task", "gap", "exam", "seed")}
    examiner = node("examiner", args, **values, run_dir=args.run_dir, video=args.video)
    return [*end_together([examiner], goal=examiner), examiner]


def generate_launch_description() -> LaunchDescription:
    """The arguments, then the node."""
    return LaunchDescription([*declarations(EVALUATE_ARGUMENTS), OpaqueFunction(function=start)])
