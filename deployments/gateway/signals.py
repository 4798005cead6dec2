"""What does a gateway say about itself? Counters and gauges for Prometheus, and the same numbers for its status page."""

import logging
import time
from collections import Counter as Counted
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

if TYPE_CHECKING:
    from deployments.gateway.batch import Batch

__all__ = ["Signals"]

log = logging.getLogger("perennial.gateway")
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Signals:
    """Counted once a batch, so that counting costs a request next to nothing."""

    def __init__(self, problem: str) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self.problem = problem
        self.requests = self._counter("requests", "Requests by HTTP status.", ("status",))
        self.rows = self._counter("rows", "Rows answered, by version and role.", ("version", "role"))
        self.explored = self._counter("explored_rows", "Rows whose decision was drawn, and not the model's.", ())
        self.errors = self._counter("model_errors", "Rows on which a model raised.", ("version", "role"))
        self.refused = self._counter("refused_requests", "Requests that break the contract.", ())
        self.shadow_dropped = self._counter("shadow_dropped", "Shadow scores dropped to keep up.", ("side",))
        self.defects = self._counter("defects", "Requests on which the gateway itself failed.", ())
        self.labels = self._counter("labels", "Labels taken in.", ("kind",))
        self.latency = Histogram(
            "perennial_latency_seconds",
            "From arrival until scored and written.",
            ("version", "role"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.queue = self._gauge("queue_rows", "Rows that wait to be scored.")
        self.shadow_queue = self._gauge("shadow_queue_rows", "Rows that wait for a shadow score.")
        self.epoch = self._gauge("route_epoch", "Epoch of the route that is served.")
        self.route_age = self._gauge("route_unconfirmed_seconds", "Since the registry last confirmed the route.")
        self.log_lag = self._gauge("log_lag_seconds", "Since the prediction log could last be written; 0 while it can.")
        self.spilled = self._gauge("spill_files", "Files of answers that wait to be brought into the log.")
        self.tripped = self._gauge("breaker_tripped", "1 while the challenger's breaker is tripped.")
        self._log_away_since: float | None = None
        self.log_says = ""

    def counted(self, batch: "Batch") -> None:
        """One batch that was answered."""
        rows: Counted[tuple[str, str]] = Counted()
        for _, reply in batch.replies:
            if reply.status == 200:
                role = reply.roles[0] if len(reply.roles) == 1 or len(set(reply.roles)) == 1 else "mixed"
                rows[reply.version, role] += len(reply.predictions)
                self.latency.labels(reply.version, role).observe(reply.seconds)
                if reply.explored:
                    self.explored.inc(len(reply.explored))
            elif reply.status == 422:
                self.refused.inc()
        for labels, n in rows.items():
            self.rows.labels(*labels).inc(n)
        if batch.failed_champion:
            self.errors.labels(batch.serving.champion.served.version, "champion").inc(batch.failed_champion)
        if batch.failed_rival and batch.serving.rival is not None:
            self.errors.labels(batch.serving.rival.served.version, "challenger").inc(batch.failed_rival)

    def answered(self, status: int) -> None:
        self.requests.labels(status).inc()

    def failed(self, what: str, request: str = "") -> None:
        """`request` is the id that its client gave it."""
        self.defects.inc()
        log.error("a request met a defect of the gateway: %s", what, extra={"request": request} if request else None)

    def dropped(self, side: str, rows: int) -> None:
        self.shadow_dropped.labels(side).inc(rows)

    def log_away(self, why: str) -> None:
        if self._log_away_since is None:
            self._log_away_since = time.monotonic()
            log.error("%s", why)
        self.log_says = why

    def log_back(self) -> None:
        if self._log_away_since is not None:
            log.warning("the prediction log can be written again")
        self._log_away_since, self.log_says = None, ""

    def lag(self) -> float:
        return 0.0 if self._log_away_since is None else time.monotonic() - self._log_away_since

    def text(self) -> bytes:
        self.log_lag.set(self.lag())
        return generate_latest(self.registry)

    def _counter(self, name: str, about: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"perennial_{name}", about, labels, registry=self.registry)

    def _gauge(self, name: str, about: str) -> Gauge:
        return Gauge(f"perennial_{name}", about, registry=self.registry)
