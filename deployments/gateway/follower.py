"""Which route is served? The newest that the registry projects, loaded and probed; the last known one while the registry is away."""

import logging
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from deployments.gateway import copies
from deployments.gateway.breaker import Breaker
from deployments.gateway.serving import Scorer, Serving, load_serving
from deployments.gateway.signals import Signals
from schemas.errors import PerennialError, told
from schemas.problem import Problem
from schemas.route import Route
from tasks import journal, ledger, registry
from tasks.door import Door
from tasks.journal import Group

__all__ = ["Follower"]

log = logging.getLogger("perennial.gateway")


class Follower(threading.Thread):
    """Looks for a new route every poll, makes it ready beside the one that serves, and swaps them by one assignment."""

    def __init__(
        self,
        problem: Problem,
        door: Door,
        folder: Path,
        breaker: Breaker,
        signals: Signals,
        swap: Callable[[Serving], None],
        put: Callable[[Group], None],
        beat: Callable[[], None],
    ) -> None:
        super().__init__(name="follower", daemon=True)
        self.problem, self.door, self.folder = problem, door, folder
        self.breaker, self.signals, self.swap, self.put, self.beat = breaker, signals, swap, put, beat
        self.serving: Serving | None = None
        self.says = "no route yet"  # for the status page: what is wrong, empty when nothing is
        self.confirmed = 0.0  # time.monotonic when the registry last agreed
        self._kept: dict[str, Scorer] = {}
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.wait(self.problem.serving.poll.total_seconds()):
            self.look()
            self.beat()

    def stop(self) -> None:
        self._ending.set()

    def look(self) -> None:
        """One look: follow the registry if it can be read and believed, else the route on disk. Never raises."""
        try:
            route, says = self._newest()
            self._follow(route)
            self._say(says)
        except Exception as error:
            if self.serving is None:
                self._last_known(told(error))
            else:
                self._say(f"the registry cannot be followed ({told(error)}); the last known route is served")
        if self.confirmed:
            self.signals.route_age.set(time.monotonic() - self.confirmed)
        self._take_trips()

    def _newest(self) -> tuple[Route, str]:
        """What the registry projects, and what is wrong with it. A route that the ledger contradicts is refused; and one that
        is older than what we know was written by a turn that lost a race and came late: the tag goes back in time for a
        moment, we do not."""
        route = registry.read_route(self.problem)
        if route is None:
            raise PerennialError("no route is projected yet: let the problem take its first turn")
        refusal = self._contradicted(route)
        if refusal:
            raise PerennialError(refusal)
        self.confirmed = time.monotonic()
        known = self.serving.route if self.serving else self._on_disk()
        if known is None or known.epoch <= route.epoch or self._contradicted(known):
            return route, ""
        return known, f"the registry's route has epoch {route.epoch}, older than {known.epoch}, which is served"

    def _follow(self, route: Route) -> None:
        if self.serving is not None and route == self.serving.route:
            return
        models, before = self.folder / "models", self.serving.route if self.serving else self._on_disk()
        copies.name(models, route, before)
        made = load_serving(self.problem, route, self.door, models, self._kept)
        self._remember(route)
        self.serving = made
        self.swap(made)
        copies.sweep(models, route)
        self.signals.epoch.set(route.epoch)
        log.info("route %d: %s, champion version %s", route.epoch, route.stage, route.champion.version)

    def _contradicted(self, route: Route) -> str:
        """Why this route is not what the ledger says. Where the ledger cannot be read, the registry's word is taken."""
        try:
            said = Route.of(ledger.state_of(self.problem.name))
        except Exception:  # away, or on another machine: that is why there is a projection
            return ""
        if said is None or said.epoch < route.epoch or (said.epoch == route.epoch and said != route):
            return f"route {route.epoch} is not what the ledger says, and is not served; the next turn re-asserts it"
        return ""

    def _last_known(self, why: str) -> None:
        """What served when the registry was last there."""
        try:
            route = self._on_disk()
            if route is None:
                self._say(f"no route to serve yet ({why})")
                return
            self._follow(route)
            self._say(f"the registry cannot be followed ({why}); the route of last time is served")
        except Exception as error:
            self._say(f"the registry cannot be followed ({why}), nor the route of last time ({told(error)})")

    def _on_disk(self) -> Route | None:
        """The route that was served last; None where there was none, or where its file does not have its checksum."""
        try:
            checksum, _, text = (self.folder / "route.json").read_text().partition(" ")
            return Route.from_json(text) if int(checksum, 16) == zlib.crc32(text.encode()) else None
        except (FileNotFoundError, ValueError):
            return None

    def _remember(self, route: Route) -> None:
        text = route.to_json()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self.folder / ".route.json"
        partial.write_text(f"{zlib.crc32(text.encode()):08x} {text}")
        partial.replace(self.folder / "route.json")

    def _take_trips(self) -> None:
        """What other replicas found, and we before a restart."""
        serving = self.serving
        if serving is None or serving.route.challenger is None:
            self.signals.tripped.set(0)
            return
        if serving.rival_failed:
            self.breaker.unloadable(serving.route, serving.rival_failed)
        try:
            written = journal.trips(self.problem, serving.route.rollout)
        except Exception as error:  # the log is away; the next look sees
            log.debug("trips cannot be read: %s", told(error))
        else:
            self.breaker.remember(written)
            there = {trip.model for trip in written}
            unwritten = [trip for trip in self.breaker.own(serving.route) if trip.model not in there]
            if unwritten:  # the log was away when it happened
                self.put(Group(trips=unwritten))
        self.signals.tripped.set(self.breaker.tripped(serving.route) is not None)

    def _say(self, what: str) -> None:
        if what and what != self.says:
            log.warning("%s: %s", self.problem.name, what)
        self.says = what
