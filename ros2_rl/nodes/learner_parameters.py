"""The parameters of the node ``learner``; none can be changed while it runs."""

from ros2_rl.nodes.parameters import SEEDS, Row

LEARNER_PARAMETERS: tuple[Row, ...] = (
    ("robot", "go2", "robot, as in config/robots"),
    ("task", "trot", "task, as in config/tasks"),
    ("learner", "slowrl", "learner, as in config/learners"),
    ("policy", "", "base policy (ONNX); empty: that of the task"),
    ("gap", "default", "name of the gap, for the summary"),
    ("minutes", 75.0, "budget of training, robot minutes", (0.1, 10_000.0)),
    ("episodes", 16, "episodes of the evaluations before and after", (1, 1000)),
    ("goal", 0.9, "recovered fraction at which it ends", (0.0, 2.0)),
    ("measure_pretrained", True, "evaluate without the gap first (simulator only)"),
    ("start_with_policy", False, "begin once the policy acts, not at a fixed stamp"),
    ("seed", 1, "seed of the run", SEEDS),
    ("run_dir", "", "folder of the run; empty: runs/<time>"),
    ("lockstep", True, "the robot waits for the learner"),
    ("replay", "", "run_dir of an earlier run whose experience is mixed in; empty: none"),
    ("resume", "", "run_dir of an earlier run to go on from; empty: start anew"),
    ("give_way", False, "run only while nobody else wants the core (SCHED_IDLE)"),
)
