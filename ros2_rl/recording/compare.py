"""What was recorded and what a replay gave, side by side: equal or not, how far apart, as a plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ros2_rl.robots import NS_PER_S


@dataclass(frozen=True)
class Comparison:
    """One quantity over time."""

    name: str
    labels: tuple[str, ...]
    """Names of the columns."""
    stamps_ns: np.ndarray
    """(N,), ns."""
    recorded: np.ndarray
    """(N, K)."""
    replayed: np.ndarray
    """(N, K); NaN where the replay gave nothing."""

    @property
    def equal(self) -> int:
        """Rows that are equal bit for bit."""
        return int((self.recorded == self.replayed).all(axis=1).sum())

    @property
    def identical(self) -> bool:
        return self.equal == len(self.recorded)

    @property
    def missing(self) -> int:
        """Rows for which the replay gave nothing."""
        return int(np.isnan(self.replayed).any(axis=1).sum())

    @property
    def rms(self) -> np.ndarray:
        """Root mean square difference of each column, (K,); zeros where there is nothing to compare."""
        known = ~np.isnan(self.replayed).any(axis=1)
        if not known.any():
            return np.zeros(self.recorded.shape[1])
        return np.sqrt(np.mean((self.recorded[known] - self.replayed[known]) ** 2, axis=0))

    @property
    def worst(self) -> float:
        """Largest difference."""
        difference = np.abs(self.recorded - self.replayed)
        return float(np.nanmax(difference)) if np.isfinite(difference).any() else 0.0

    def line(self) -> str:
        """One line for a person."""
        rows = len(self.recorded)
        if self.identical:
            return f"{self.name}: {rows} of {rows} equal bit for bit"
        missing = f", {self.missing} missing" if self.missing else ""
        apart = f"rms {float(np.sqrt(np.mean(self.rms**2))):.4g}, worst {self.worst:.4g}"
        return f"{self.name}: {self.equal} of {rows} equal bit for bit{missing}; {apart}"

    def figures(self) -> dict[str, float]:
        """The same as flat figures."""
        return {
            f"{self.name}/rows": len(self.recorded),
            f"{self.name}/equal": self.equal,
            f"{self.name}/missing": self.missing,
            f"{self.name}/worst": self.worst,
        }


def stack(name: str, labels: Sequence[str], rows: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> Comparison:
    """A comparison of rows (stamp, recorded, replayed); all arrays have the length of ``labels``."""
    width = len(labels)
    return Comparison(
        name,
        tuple(labels),
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=float).reshape(len(rows), width),
        np.array([row[2] for row in rows], dtype=float).reshape(len(rows), width),
    )


def plot(comparisons: Sequence[Comparison], path: Path, title: str) -> None:
    """One panel a comparison: both curves of the column that differs most, and its difference."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(comparisons), 1, figsize=(9, 2.6 * len(comparisons)), squeeze=False)
    for axis, comparison in zip(axes[:, 0], comparisons, strict=True):
        column = int(np.argmax(comparison.rms)) if len(comparison.recorded) else 0
        seconds = comparison.stamps_ns / NS_PER_S
        recorded, replayed = comparison.recorded[:, column], comparison.replayed[:, column]
        axis.plot(seconds, recorded, label="recorded", linewidth=1.4)
        axis.plot(seconds, replayed, label="replayed", linewidth=0.9, linestyle="--")
        axis.plot(seconds, replayed - recorded, label="difference", linewidth=0.8, color="tab:red")
        axis.set_title(f"{comparison.line()} (shown: {comparison.labels[column]})", fontsize=8)
        axis.grid(alpha=0.3)
    axes[0, 0].legend(loc="upper right", fontsize=8)
    axes[-1, 0].set_xlabel("robot time, s")
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    temporary = path.with_name(f".{path.stem}.part.png")
    figure.savefig(temporary, dpi=110)
    pyplot.close(figure)
    temporary.replace(path)
