"""Named guards: each watches one thing and says how strongly to react.

The panel asks all of them at every state, or once a control step, and the supervisor follows the
strongest verdict. A further guard is one more class, one more rule and one more line in ``panel.py``.
"""

from ros2_rl.safety.guards.base import Guard, Rule, TickGuard
from ros2_rl.safety.guards.panel import GuardPanel
from ros2_rl.safety.reaction import OK, Reaction, Verdict, strongest
from ros2_rl.safety.senses import Sample, Senses, Tick

__all__ = [
    "OK",
    "Guard",
    "GuardPanel",
    "Reaction",
    "Rule",
    "Sample",
    "Senses",
    "Tick",
    "TickGuard",
    "Verdict",
    "strongest",
]
