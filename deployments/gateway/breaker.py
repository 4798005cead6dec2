"""Must this challenger stop now? Within a second, without the flow: on errors in a row, or on a coin that falls its way too often."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

import numpy as np

from schemas.plans import RolloutPlan, ServingPlan
from schemas.route import Route
from tasks.journal import Trip
from tasks.stats import CoinFlip

__all__ = ["Breaker"]


@dataclass
class Breaker:
    """Trips once per challenger and rollout. A tripped challenger answers nothing and scores nothing until the next route."""

    plan: ServingPlan
    rollout: RolloutPlan
    on_trip: Callable[[Trip], None]  # writes it down and tells the world; called once a trip
    _tripped: dict[tuple[int, str], Trip] = field(default_factory=dict)
    _of: tuple[int, str, float] | None = None  # the rollout, challenger and share that the counts are about
    _in_a_row: int = 0
    _coin: CoinFlip = field(default_factory=CoinFlip)
    _lock: Lock = field(default_factory=Lock)

    def tripped(self, route: Route) -> Trip | None:
        return self._tripped.get((route.rollout, route.challenger.sha256)) if route.challenger else None

    def remember(self, trips: list[Trip]) -> None:
        """Trips of other replicas, and our own from before a restart."""
        for trip in trips:
            self._tripped.setdefault((trip.rollout, trip.model), trip)

    def own(self, route: Route) -> list[Trip]:
        """The trip of this route's challenger, for whoever has to see that it is written down."""
        trip = self.tripped(route)
        return [trip] if trip else []

    def saw_challenger(self, route: Route, errors: np.ndarray, seconds: float, *, shadow: bool = False) -> None:
        """The challenger scored some rows in `seconds`."""
        # A call is slow as a whole, however many rows it had; beside the answers it is nobody's concern but its own.
        slow = not shadow and seconds > self.plan.slow_call.total_seconds()
        bad = np.array([error is not None for error in errors])
        if slow and not bad.any():
            bad = np.array([True])
        if not bad.size:
            return
        with self._lock:
            self._about(route)
            # The run of bad rows that ends these rows, or goes on from before when all of them are bad.
            longest = self._runs(bad)
            if longest >= self.plan.trip_in_a_row:
                self._trip(route, f"{longest} errors or calls over {self.plan.slow_call.total_seconds():g} s in a row")
            elif bad.any() and not shadow:
                self._weigh(route, int(bad.sum()), 1.0)

    def saw_champion(self, route: Route, errors: np.ndarray) -> None:
        """The champion's errors are the other side of the coin."""
        hits = sum(error is not None for error in errors)
        if not hits:
            return
        with self._lock:
            self._about(route)
            self._weigh(route, hits, 0.0)

    def unloadable(self, route: Route, why: str) -> None:
        """The challenger could not even be loaded, or does not score its golden rows as it did."""
        with self._lock:
            self._trip(route, why)

    def _about(self, route: Route) -> None:
        assert route.challenger is not None
        about = (route.rollout, route.challenger.sha256, route.share)
        if self._of is None or self._of[:2] != about[:2]:
            self._in_a_row, self._coin = 0, CoinFlip(ratio=self.rollout.error_ratio)
        self._of = about

    def _runs(self, bad: np.ndarray) -> int:
        longest = current = self._in_a_row
        for one in bad:
            current = current + 1 if one else 0
            longest = max(longest, current)
        self._in_a_row = current
        return longest

    def _weigh(self, route: Route, hits: int, arm: float) -> None:
        if not 0 < route.share < 1:
            return
        self._coin = self._coin.update([arm] * hits, [route.share] * hits)
        if self._coin.log_peak < -math.log(self.rollout.alpha):
            return
        said = f"of {self._coin.n} errors too many met its {route.share:.0%}: e-value {math.exp(min(self._coin.log_peak, 99)):.3g}"
        self._trip(route, said)

    def _trip(self, route: Route, why: str) -> None:
        assert route.challenger is not None
        if self.tripped(route):
            return
        trip = Trip(route.rollout, route.challenger.sha256, datetime.now(UTC), why)
        self._tripped[route.rollout, route.challenger.sha256] = trip
        self.on_trip(trip)
