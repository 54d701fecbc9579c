"""``ros2 run ros2_rl import_policy``: a policy of another stack as ours.

import_policy model_1500.pt --config go2_config.py --output trot.onnx
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ros2_rl.errors import Ros2RlError
from ros2_rl.importing.convert import Imported, import_policy, write_imported
from ros2_rl.policy.contract_checks import TERM_SIZES
from ros2_rl.policy.fit import gain_set
from ros2_rl.robots import RobotDescription, load_robot


def main(args: Sequence[str] | None = None) -> int:
    """Import a policy, write it and say what was understood; the exit status."""
    given = _parser().parse_args(args)
    try:
        robot = load_robot(given.robot)
        output = given.output or given.policy.with_name(f"{given.policy.stem}_imported.onnx")
        imported = import_policy(
            given.policy,
            robot,
            given.config,
            _names(given.joints),
            _names(given.observations),
            given.activation,
        )
        write_imported(output, imported)
    except Ros2RlError as error:
        print(error, file=sys.stderr)
        return 1
    _show(imported, robot, output)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="import_policy", description="Turn a policy of another stack into ours."
    )
    parser.add_argument("policy", type=Path, help="rsl_rl checkpoint, TorchScript module or ONNX file")
    parser.add_argument("--config", type=Path, help="its configuration; default: what lies beside it")
    parser.add_argument("--output", type=Path, help="file to write; default: <policy>_imported.onnx")
    parser.add_argument("--robot", default="go2", help="robot, as in config/robots (go2)")
    parser.add_argument(
        "--joints", default="", help="legged_gym: order of the joints, a,b,...; default: the robot's"
    )
    parser.add_argument(
        "--observations", default="", help=f"legged_gym: terms in their order, of {', '.join(TERM_SIZES)}"
    )
    parser.add_argument("--activation", default="", help="elu, relu or tanh, where no file says (elu)")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _show(imported: Imported, robot: RobotDescription, output: Path) -> None:
    """What was understood, for a person who knows the policy to compare."""
    contract = imported.contract
    table = Table(title=f"{output}", show_header=False)
    joints = Table("joint", "kp", "kd", "default rad", "scale rad", box=None)
    rows = zip(
        contract.joint_names, contract.joint_stiffness, contract.joint_damping, contract.default_joint_pos,
        contract.action_scale, strict=True,
    )  # fmt: skip
    for name, *numbers in rows:
        joints.add_row(name, *(f"{number:g}" for number in numbers))
    for name, value in (
        ("network", f"{imported.network}, {contract.observation_width} to {contract.num_joints}"),
        ("conventions", imported.conventions),
        ("observations", ", ".join(contract.observation_names)),
        ("frames", f"{contract.observation_history}, {contract.history_order}, by {contract.history_by}"),
        ("step", f"{contract.step_dt:g} s"),
        ("gain set", gain_set(contract, robot)),
        ("fine-tuning", "yes" if imported.adaptable else "no: not a plain perceptron, it can only be run"),
        ("joints", joints),
    ):
        table.add_row(name, value)
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(main())
