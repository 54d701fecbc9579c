"""Learning from steps of an older policy: align and filter.

V-trace (Espeholt et al. 2018, arXiv 1802.01561, eq. 1) turns rewards that a behaviour policy mu
has earned into advantages of the present policy pi; the filter of VACO (arXiv 2603.01365) keeps
the expected total variation between pi and the policy that an update makes of it below a
threshold; the effective sample size says how much a batch of importance weights is worth.
"""

import numpy as np
import torch


def vtrace(
    rewards: np.ndarray,
    values: np.ndarray,
    cut_values: np.ndarray,
    terminal: np.ndarray,
    cut: np.ndarray,
    gamma: float,
    lam: float,
    weights: np.ndarray | None = None,
    truncation: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Advantages and value targets of the present policy, (T,) each, float32, segment by segment.

    ``values`` (T,) are those of the states in which the steps began, ``cut_values`` those after
    each cut. ``weights`` (T,) are pi / mu of the actions; both rho and c are truncated at
    ``truncation``, and c carries ``lam``. Where all weights are 1 (None) this is the generalised
    advantage estimate (Schulman et al. 2016, eq. 16).
    """
    following = np.append(values[1:], 0.0)
    following[cut] = cut_values
    following[terminal] = 0.0
    delta = (rewards + gamma * following - values).tolist()
    rho = np.ones(len(delta)) if weights is None else np.minimum(weights, truncation)
    carry = np.where(cut, 0.0, gamma * lam).tolist()
    corrections = np.empty(len(delta), dtype=np.float32)
    advantages = np.empty(len(delta), dtype=np.float32)
    ahead = 0.0  # v - V of the next state
    for t, weight in zip(range(len(delta) - 1, -1, -1), rho[::-1].tolist(), strict=True):
        advantages[t] = delta[t] + carry[t] * ahead
        ahead = weight * advantages[t]
        corrections[t] = ahead
    return advantages, corrections + values.astype(np.float32)


def effective_share(weights: np.ndarray) -> float:
    """Effective sample size of importance weights (T,) as a share of T, 0 to 1 (Kish 1965)."""
    total = float(np.sum(weights))
    return total * total / (len(weights) * float(np.sum(np.square(weights)))) if total > 0.0 else 0.0


def total_variation(ratio: torch.Tensor) -> torch.Tensor:
    """Expected total variation of two policies from ratios (N,) at the one's actions: E|r - 1| / 2."""
    return 0.5 * (ratio - 1.0).abs().mean()


def inward(ratio: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
    """Which steps (N,) pull their ratio back to 1 when their surrogate grows."""
    return advantages * (ratio - 1.0) <= 0.0
