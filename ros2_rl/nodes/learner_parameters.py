"""The parameters of the node ``learner``."""

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


def declare_learner_parameters(node: Node) -> None:
    """Declare them all; none can be changed while it runs."""
    minutes = [FloatingPointRange(from_value=0.1, to_value=10_000.0)]
    share = [FloatingPointRange(from_value=0.0, to_value=2.0)]
    seeds = [IntegerRange(from_value=0, to_value=2**31 - 1, step=1)]
    counts = [IntegerRange(from_value=1, to_value=1000, step=1)]
    for name, default, description, limits in (
        ("robot", "go2", "robot, as in config/robots", {}),
        ("task", "trot", "task, as in config/tasks", {}),
        ("learner", "slowrl", "learner, as in config/learners", {}),
        ("policy", "", "base policy (ONNX); empty: that of the task", {}),
        ("gap", "default", "name of the gap, for the summary", {}),
        ("minutes", 75.0, "budget of training, robot minutes", {"floating_point_range": minutes}),
        ("episodes", 16, "episodes of the evaluations before and after", {"integer_range": counts}),
        ("goal", 0.9, "recovered fraction at which it ends", {"floating_point_range": share}),
        ("measure_pretrained", True, "evaluate without the gap first (simulator only)", {}),
        ("start_with_policy", False, "begin once the policy acts, not at a fixed stamp", {}),
        ("seed", 1, "seed of the run", {"integer_range": seeds}),
        ("run_dir", "", "folder of the run; empty: runs/<time>", {}),
        ("lockstep", True, "the robot waits for the learner", {}),
        ("replay", "", "run_dir of an earlier run whose experience is mixed in; empty: none", {}),
        ("resume", "", "run_dir of an earlier run to go on from; empty: start anew", {}),
        ("give_way", False, "run only while nobody else wants the core (SCHED_IDLE)", {}),
    ):
        node.declare_parameter(
            name, default, ParameterDescriptor(description=description, read_only=True, **limits)
        )
