"""Fine-tune a policy on a robot that walks, and stop when the goal is reached or the time is up.

    ros2 launch ros2_rl finetune.launch.py task:=trot gap:=default speed:=0
    ros2 launch ros2_rl finetune.launch.py robot:=arm task:=peg learner:=rlpd operator:=scripted

The exit status is 0 only when the learner ended well and no other node ended before it.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction

from ros2_rl.arm_args import ARM_ARGUMENTS, ArmArgs, check_arm_args, for_legs, is_arm
from ros2_rl.bringup import (
    arm_simulator,
    checked,
    declarations,
    end_together,
    given,
    node,
    onlookers,
    recorder,
    robot_nodes,
    transports,
)
from ros2_rl.launch_args import FINETUNE_ARGUMENTS, check_finetune_args

_PATIENCE_S = 300.0
"""In lockstep an arm's learner is waited for between two episodes, however slow the machine, wall time, s."""


def start(context: LaunchContext) -> list:
    """Check the arguments, then begin all nodes."""
    values = given(context, FINETUNE_ARGUMENTS | ARM_ARGUMENTS, __file__)
    if checked(lambda said: is_arm(said["robot"]), values):
        return start_arm(checked(check_arm_args, values))
    args = checked(lambda said: check_finetune_args(for_legs(said)), values)
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
    if args.operator == "scripted":
        nodes.append(node("leg_operator", args, task=args.task, seed=args.seed, lockstep=args.lockstep))
    return [
        *transports(args),
        *end_together([*nodes, learner], goal=learner),
        *nodes,
        learner,
        *onlookers(args),
    ]


def start_arm(args: ArmArgs) -> list:
    """The nodes around an arm."""
    common = {"task": args.task, "seed": args.seed}
    acting = {**common, "policy": args.policy}
    learner = node(
        "arm_learner",
        args,
        **acting,
        learner=args.learner,
        minutes=args.minutes,
        episodes=args.episodes,
        demos=args.demos,
        resume=args.resume,
        run_dir=args.run_dir,
    )
    nodes = [
        arm_simulator(
            args, ["joint_commands", "policy/targets", "policy/adapter"], lockstep_timeout_s=_PATIENCE_S
        ),
        node(
            "supervisor",
            args,
            lockstep=args.lockstep,
            lockstep_timeout_s=_PATIENCE_S,
            events_dir=str(Path(args.run_dir) / "supervisor"),
        ),
        node("arm_executor", args, **acting, lockstep=args.lockstep, learning=True),
    ]
    if args.operator == "scripted":
        nodes.append(node("operator", args, **common, lockstep=args.lockstep))
    return [*end_together([*nodes, learner], goal=learner), *nodes, learner, *recorder(args)]


def generate_launch_description() -> LaunchDescription:
    """The arguments, then the nodes."""
    return LaunchDescription(
        [*declarations(FINETUNE_ARGUMENTS | ARM_ARGUMENTS), OpaqueFunction(function=start)]
    )
