"""From the robot's tick to the stamps of the graph.

A LowState has no time stamp, only ``tick``, milliseconds since the robot started. Robot time here is the
wall time of the first frame plus what the tick has counted since: no jitter of the network, no jump.
"""

from ros2_rl.errors import Ros2RlError

_NS_PER_TICK = 1_000_000
_WRAP = 1 << 32
_BACK = 1 << 31
PERIOD_TICKS = 2
"""Nominal distance of two frames: 500 Hz."""
_SNAP_TICKS = 6
"""Lost frames are bridged for so long at a control step: two of them."""


class TickFault(Ros2RlError):
    """The robot's time went back."""


class TickClock:
    """Stamps and losses of a stream of frames.

    The first frame at or after a multiple of ``grid_ns`` carries that very multiple as its stamp, so that a
    lost frame, or ticks that are odd, cost no control step; between control steps the same holds for
    ``state_ns``, so that the states that are handed on are that far apart, or a multiple of it.

    Args:
        origin_ns: stamp of the first frame; rounded up to the grid.
        grid_ns: control step, ns; a multiple of ``state_ns``.
        state_ns: distance of the states that are handed on, ns.
    """

    def __init__(self, origin_ns: int, grid_ns: int = 20_000_000, state_ns: int = 2_000_000):
        self._grid_ns, self._state_ns = grid_ns, state_ns
        self._stamp_ns = -(-origin_ns // grid_ns) * grid_ns
        self._raw_ns = self._stamp_ns
        self._tick: int | None = None
        self.frames = 0
        self.lost = 0
        """Frames that are missing between those that came."""
        self.repeated = 0
        """Frames whose tick was that of the frame before; they are to be dropped."""
        self.longest_gap_ms = 0

    @property
    def offset_ns(self) -> int:
        """Stamp of the robot's tick 0."""
        return self._raw_ns - (self._tick or 0) * _NS_PER_TICK

    def stamp(self, tick: int) -> int | None:
        """Stamp of a frame, ns; None if its tick has been seen.

        Raises:
            TickFault: the tick went back: the robot has started anew.
        """
        passed = 0 if self._tick is None else (tick - self._tick) % _WRAP
        if passed >= _BACK:
            raise TickFault(
                f"The robot's tick went from {self._tick} back to {tick} ms, so it has started anew; "
                "start the driver again once it is up."
            )
        if passed == 0 and self._tick is not None:
            self.repeated += 1
            return None
        self._count(passed)
        self._tick = tick
        self._raw_ns += passed * _NS_PER_TICK
        self._stamp_ns = self._snapped(self._raw_ns)
        return self._stamp_ns

    def _count(self, passed: int) -> None:
        self.frames += 1
        self.lost += max((passed + PERIOD_TICKS // 2) // PERIOD_TICKS - 1, 0)
        self.longest_gap_ms = max(self.longest_gap_ms, passed)

    def _snapped(self, raw_ns: int) -> int:
        """``raw_ns``, or the multiple of a grid that has just passed if no frame had it."""
        for grid_ns in (self._grid_ns, self._state_ns):
            step_ns = raw_ns // grid_ns * grid_ns
            if step_ns > self._stamp_ns and raw_ns - step_ns < _SNAP_TICKS * _NS_PER_TICK:
                return step_ns
        return raw_ns

    def is_due(self, stamp_ns: int) -> bool:
        """Whether the state of a stamp is to be handed on."""
        return stamp_ns % self._state_ns == 0
