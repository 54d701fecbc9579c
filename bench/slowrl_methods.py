"""The rows of bench/slowrl.py: what learns, with which settings, with or without being caught.

A group is asked for with ``--groups``; a row may be in several and is run once.
"""

from slowrl_run import Method

METHODS: dict[str, Method] = {
    "zero-shot": Method(""),
    "FFT": Method("fft", recovery=False),
    "FFT + safety": Method("fft"),
    "LoRA without safety": Method("slowrl", recovery=False),
    "SLowRL rank 1": Method("slowrl"),
    "SLowRL rank 2": Method("slowrl_rank2"),
    "SLowRL rank 4": Method("slowrl_rank4"),
    "SLowRL rank 8": Method("slowrl_rank8"),
    "LoRA actor only": Method("lora_actor_only"),
    "offpolicy residual": Method("offpolicy"),
    "offpolicy LoRA": Method("offpolicy_lora"),
    "offpolicy replica": Method("offpolicy_replica"),
    "offpolicy replica, smooth": Method("offpolicy_replica", {"replica_smooth_coef": 1.0}),
    "offpolicy residual without safety": Method("offpolicy", recovery=False),
    "offpolicy LoRA without safety": Method("offpolicy_lora", recovery=False),
    "offpolicy without shaping": Method("offpolicy", {"shaping": False}),
    "+ KL to the base": Method("slowrl", {"base_kl_coef": 0.01}),
    "+ bound of 10 deg": Method("slowrl", {"correction_limit_deg": 10.0, "correction_coef": 1.0}),
    "+ mirror augmentation": Method("slowrl", {"mirror_augmentation": True}),
    "+ promotion gate": Method("slowrl", {"promotion_gate": True}),
    **{f"PPO, {late} late": Method("slowrl", updates_late=late) for late in (1, 4, 16)},
    **{f"VACO, {late} late": Method("vaco", updates_late=late) for late in (0, 1, 4, 16)},
    "VACO + step by sample size, 16 late": Method("vaco", {"ess_scaling": True}, updates_late=16),
}

GROUPS: dict[str, tuple[str, ...]] = {
    "methods": (
        "zero-shot", "FFT", "FFT + safety", "LoRA without safety", "SLowRL rank 1", "LoRA actor only",
    ),
    "ranks": ("SLowRL rank 1", "SLowRL rank 2", "SLowRL rank 4", "SLowRL rank 8"),
    "anchors": ("SLowRL rank 1", *(name for name in METHODS if name.startswith("+"))),
    "offpolicy": (
        "SLowRL rank 1", "FFT + safety", *(name for name in METHODS if name.startswith("offpolicy")),
    ),
    "lag": ("SLowRL rank 1", *(name for name in METHODS if name.endswith("late"))),
}  # fmt: skip
