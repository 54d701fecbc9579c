"""Fine-tune a policy on a robot that walks, and stop when the goal is reached or the time is up.

    ros2 launch ros2_rl finetune.launch.py task:=trot gap:=default speed:=0

The exit status is 0 only when the learner ended well and no other node ended before it.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction

from ros2_rl.bringup import (
    checked,
    declarations,
    end_together,
    given,
    node,
    onlookers,
    robot_nodes,
    transports,
)
from ros2_rl.launch_args import FINETUNE_ARGUMENTS, check_finetune_args


def start(context: LaunchContext) -> list:
    """Check the arguments, then begin all nodes."""
    args = checked(check_finetune_args, given(context, FINETUNE_ARGUMENTS, __file__))
    nodes = robot_nodes(args, gap_from_start=False, awaited=["learner/phase"])
    simulated = args.hardware != "go2"
    learner = node(
        "learner",
        args,
        task=args.task,
        policy=args.policy,
        learner=args.learner,
        gap=args.gap if simulated else "robot",
        measure_pretrained=simulated,  # a robot cannot do without its gap
        start_with_policy=args.hardware != "sim",
        minutes=args.minutes,
        episodes=args.episodes,
        seed=args.seed,
        lockstep=args.lockstep,
        run_dir=args.run_dir,
        resume=args.resume,
        replay=args.replay,
    )
    return [
        *transports(args),
        *end_together([*nodes, learner], goal=learner),
        *nodes,
        learner,
        *onlookers(args),
    ]


def generate_launch_description() -> LaunchDescription:
    """The arguments, then the nodes."""
    return LaunchDescription([*declarations(FINETUNE_ARGUMENTS), OpaqueFunction(function=start)])
