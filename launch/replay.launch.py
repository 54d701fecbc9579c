"""A recorded run played to the estimator, the executor or the learner, as a node in a graph of its own.

    ros2 launch ros2_rl replay.launch.py run:=runs/push feed:=executor policy:=other.onnx

What the node answers is compared with what was recorded, and the difference drawn.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction

from ros2_rl.bringup import checked, declarations, end_together, given, node
from ros2_rl.recording.playback import FEEDS
from ros2_rl.replay_args import REPLAY_ARGUMENTS, check_replay_args


def start(context: LaunchContext) -> list:
    """Check the arguments, then begin the player and the node that it plays to."""
    args = checked(check_replay_args, given(context, REPLAY_ARGUMENTS, __file__))
    fed = node(FEEDS[args.feed].node, args, **args.parameters)
    player = node("player", args, run=args.run, feed=args.feed, out=args.out)
    # A learner whose session is over ends by itself; the player then has its last answer.
    needed = [player] if args.feed == "learner" else [fed, player]
    return [*end_together(needed, goal=player), fed, player]


def generate_launch_description() -> LaunchDescription:
    """The arguments, then the nodes."""
    return LaunchDescription([*declarations(REPLAY_ARGUMENTS), OpaqueFunction(function=start)])
