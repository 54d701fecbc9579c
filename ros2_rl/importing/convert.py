"""A foreign policy and its configuration become one ONNX file with a contract, or a sentence why not."""

from dataclasses import dataclass, replace
from pathlib import Path

from ros2_rl.errors import ConfigError
from ros2_rl.importing import deploy, legged_gym, mjlab, rl_sar
from ros2_rl.importing.files import DEPLOY, LEGGED_GYM, Config, find_config, read_config
from ros2_rl.importing.networks import Source
from ros2_rl.policy.contract import Contract
from ros2_rl.policy.onnx_policy import OnnxPolicy, write_bytes
from ros2_rl.robots import RobotDescription

MJLAB = "mjlab"


@dataclass(frozen=True)
class Imported:
    """What became of a foreign policy."""

    data: bytes
    """The ONNX file."""
    contract: Contract
    network: str
    """What the network's file was."""
    conventions: str
    """Whose words the configuration was in."""
    adaptable: bool
    """Whether adapters can be trained on it: a plain perceptron."""


def import_policy(
    policy: Path,
    robot: RobotDescription,
    config: Path | None = None,
    joints: tuple[str, ...] = (),
    observations: tuple[str, ...] = (),
    activation: str = "",
) -> Imported:
    """Read a policy of another stack and check it against the robot.

    Args:
        policy: an rsl_rl checkpoint, a TorchScript module or an ONNX file.
        robot: what it is to move.
        config: its configuration; without it, what lies beside the policy or stands in the file.
        joints: order of the policy's joints, where its configuration does not say; empty: robot order.
        observations: terms in the order in which the network takes them, likewise.
        activation: kind of activation, where neither file says; empty: elu.

    Raises:
        ConfigError: a file or a setting that cannot be used.
        ContractError: what was read contradicts itself or the robot.
    """
    source = Source(policy)
    if config is None and all(key in source.metadata for key in mjlab.KEYS):
        found, contract = None, mjlab.contract(source.metadata, policy.name)
    else:
        found = read_config(config or _beside(policy))
        contract = _contract(found, source, robot, joints, observations)
    contract.check(robot)
    network = source.network(
        contract.observation_width, activation or (found.activation if found else "") or "elu"
    )
    log_std = contract.log_std if found is None else network.log_std
    contract = replace(contract, run_path=contract.run_path or policy.stem, log_std=log_std)
    data = network.with_contract(contract)
    OnnxPolicy(data).check(robot)
    kind = found.kind if found else MJLAB
    return Imported(data, contract, network.kind, kind, network.layers is not None)


def write_imported(path: Path, imported: Imported) -> None:
    """Write the ONNX file; it appears whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        write_bytes(path, imported.data)
    except OSError as error:
        raise ConfigError(
            f"The policy {path} cannot be written ({error.strerror}); choose another --output."
        ) from error


def _beside(policy: Path) -> Path:
    found = find_config(policy)
    if found is None:
        raise ConfigError(
            f"There is no contract in {policy.name} and no configuration beside it; name it with --config."
        )
    return found


def _contract(
    config: Config,
    source: Source,
    robot: RobotDescription,
    joints: tuple[str, ...],
    observations: tuple[str, ...],
) -> Contract:
    if joints:
        _check_joints(joints, robot)
    if config.kind == LEGGED_GYM:
        return legged_gym.contract(config.fields, joints or robot.joints, observations, source.accepts)
    if joints or observations:
        raise ConfigError(
            f"{config.fields.source} says itself in which order joints and observations stand; "
            "leave --joints and --observations out."
        )
    return deploy.contract(config.fields) if config.kind == DEPLOY else rl_sar.contract(config.fields)


def _check_joints(joints: tuple[str, ...], robot: RobotDescription) -> None:
    """Whether a list names each joint of the robot once."""
    wrong = [name for name in joints if name not in robot.joints or joints.count(name) > 1]
    absent = [name for name in robot.joints if name not in joints]
    if wrong or absent:
        raise ConfigError(
            f"--joints must name each joint of {robot.name} once; "
            f"{', '.join(dict.fromkeys(wrong)) or 'nothing'} is too much, "
            f"{', '.join(absent) or 'nothing'} missing."
        )
