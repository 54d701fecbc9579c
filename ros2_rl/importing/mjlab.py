"""mjlab's conventions: the contract stands in the ONNX file itself, in the keys that ours are taken from.

Source: mujocolab/mjlab, ``tasks/velocity/rl/exporter.py``. Observations are unscaled, targets relative
to the default pose, one control step is 20 ms; numbers have three decimals.
"""

from collections.abc import Mapping

from ros2_rl.importing.terms import MJLAB, translate
from ros2_rl.policy.contract import Contract

KEYS = ("joint_names", "joint_stiffness", "joint_damping", "default_joint_pos", "observation_names")


_OURS = {name: name for name in ("gait_clock", "contact_clock")}
"""Our own files say gait_clock where Isaac Lab says gait_phase; a contact clock nobody else has."""


def contract(metadata: Mapping[str, str], source: str) -> Contract:
    """The contract of a policy.

    Raises:
        ConfigError: an observation that cannot be built here.
        ContractError: a key is missing, or a value cannot be read.
    """
    data = dict(metadata)
    if "observation_names" in data:
        names = (name.strip() for name in data["observation_names"].split(","))
        data["observation_names"] = ",".join(translate(names, MJLAB | _OURS, source))
    if "joint_names" in data:
        data["joint_names"] = ",".join(name.split("/")[-1] for name in data["joint_names"].split(","))
    return Contract.from_metadata(data)
