"""What a run leaves behind: progress lines, TensorBoard scalars, ``summary.json``, ``curves.png``."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ros2_rl.errors import ConfigError
from ros2_rl.learning.events import Report
from ros2_rl.learning.session import Session
from ros2_rl.policy.onnx_policy import write_bytes

_TAGS = {  # the field's own names
    "train_return": "Train/mean_reward",
    "return": "Eval/mean_return",
    "fraction": "Eval/recovered_fraction",
    "override_share": "Safety/override_share",
    "falls": "Safety/falls",
    "kl": "Loss/kl",
    "value_loss": "Loss/value_function",
    "surrogate_loss": "Loss/surrogate",
    "clipfrac": "Loss/clip_fraction",
    "explained_variance": "Loss/explained_variance",
    "learning_rate": "Loss/learning_rate",
    "std": "Policy/mean_noise_std",
    "kl_to_base": "Policy/kl_to_base",
    "action_rate": "Policy/action_rate",
    "intervention_share": "Safety/intervention_share",
}


class RunLog:
    """Writes one run's folder; every file appears whole or not at all."""

    def __init__(self, run_dir: Path, scalars: bool = True):
        """Create the folder.

        Raises:
            ConfigError: the folder cannot be made or written.
        """
        self.run_dir = run_dir
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            (run_dir / ".writable").touch()
            (run_dir / ".writable").unlink()
        except OSError as error:
            raise ConfigError(
                f"The run folder {run_dir} cannot be written ({error.strerror}); choose another run_dir."
            ) from error
        self._writer = None
        if scalars:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(run_dir / "tensorboard"))

    def scalars(self, values: dict[str, float], step: int, prefix: str = "") -> None:
        """Log numbers under the field's names; unknown ones under ``Other/``."""
        if self._writer is None:
            return
        for key, value in values.items():
            if isinstance(value, int | float):
                tag = _TAGS.get(key, f"Other/{key}")
                self._writer.add_scalar(f"{prefix}{tag}", value, step)

    def write_json(self, name: str, data: dict[str, Any]) -> Path:
        """Raises ConfigError when the disk is full or the folder is gone."""
        path = self.run_dir / name
        try:
            write_bytes(path, (json.dumps(data, indent=2) + "\n").encode())
        except OSError as error:
            raise ConfigError(f"{path} cannot be written ({error.strerror}); free some space.") from error
        return path

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def progress_line(session: Session, report: Report, factor: float) -> str:
    """One line of progress: where the run is and how well the robot does."""
    values, minutes = report.values, session.config.minutes
    known = "  ".join(
        f"{name.replace('_', '-')} {session.returns[name]:.1f}"
        for name in ("pretrained", "zero_shot")
        if name in session.returns
    )
    if report.kind != "progress":
        return (
            f"{report.kind.replace('_', '-')} evaluation: return {values['return']:.2f} "
            f"(recovered {values['fraction']:.2f}), falls {values['falls']:.0f}, "
            f"override {100 * values['override_share']:.1f} %, adapter {values['version']:.0f}"
        )
    return (
        f"{values['robot_minutes']:5.1f}/{minutes:.0f} min  update {values['iteration']:3.0f}  "
        f"return {values['train_return']:5.1f} ({known})  falls {values['falls']:.0f}  "
        f"override {100 * values['override_share']:4.1f} %  adapter {values['version']:.0f}  "
        f"{factor:.1f}x real time"
    )


def summary(session: Session, wall_seconds: float, robot: dict[str, Any], gap: str) -> dict[str, Any]:
    """The content of ``summary.json``; ``robot`` adds latency and missed ticks as measured."""
    returns, counters = session.returns, session.counters
    final = returns.get("final", returns.get("zero_shot", 0.0))
    steps = counters.steps
    return {
        "pretrained_return": returns.get("pretrained"),
        "zero_shot_return": returns.get("zero_shot"),
        "final_return": final,
        "recovered_fraction": session.fraction(final),
        "robot_steps": steps,
        "robot_minutes": round(session.robot_minutes, 2),
        "wall_seconds": round(wall_seconds, 1),
        "falls": counters.falls,
        "override_share": counters.override_share,
        "lost_steps": counters.lost,
        "action_rate": counters.action_rate_sum / max(steps, 1),
        "seed": session.seed,
        "gap": gap,
        **robot,
    }


def print_summary(data: dict[str, Any]) -> None:
    """The short table at the end of a run."""
    table = Table(title="ros2_rl fine-tuning", show_header=False)
    for key, value in data.items():
        table.add_row(key, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console(width=100).print(table)


def plot_curves(session: Session, reports: list[Report], path: Path) -> None:
    """Return, falls and overrides against robot minutes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    curve = session.curve
    minutes = [point["robot_minutes"] for point in curve]
    figure, (top, bottom) = pyplot.subplots(2, 1, figsize=(7, 6), sharex=True)
    top.plot(minutes, [p["train_return"] for p in curve], label="training (with exploration)")
    looks = [r.values for r in reports if r.kind in ("look", "final")]
    top.plot([v["robot_minutes"] for v in looks], [v["return"] for v in looks], "o", label="evaluation")
    for name, colour in (("pretrained", "green"), ("zero_shot", "red")):
        if name in session.returns:
            top.axhline(session.returns[name], color=colour, linestyle="--", label=name.replace("_", " "))
    top.set_ylabel("return of an episode")
    top.legend()
    bottom.step(minutes, [p["falls"] for p in curve], label="falls", where="post")
    bottom.plot(minutes, [100 * p["override_share"] for p in curve], label="override, % of steps")
    bottom.set_xlabel("robot minutes")
    bottom.legend()
    figure.tight_layout()
    temporary = path.with_name(f".{path.stem}.part.png")
    figure.savefig(temporary, dpi=110)
    pyplot.close(figure)
    temporary.replace(path)
