"""What does the environment say: where is everything kept, and which servers are used?"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.refused import refused

__all__ = ["Settings"]


class _Remembered(type(BaseSettings)):  # type: ignore[misc]  # pydantic names its metaclass nowhere public
    """Makes one object for one state of the environment: parsing it costs a millisecond, and a turn asks a hundred times."""

    def __call__(cls, **given: Any) -> Any:
        if given:
            return super().__call__(**given)
        said = tuple((name, value) for name, value in os.environ.items() if name.upper().startswith(_READ))
        made = _MADE.get(said)
        if made is None:
            with refused("what the environment says", "Set it so, or unset it.", name=_variable):
                made = super().__call__()
            _MADE.clear()
            _MADE[said] = made
        return made


_READ = ("PERENNIAL_", "MLFLOW_TRACKING_URI")
_MADE: dict[tuple[tuple[str, str], ...], Any] = {}


def _variable(field: str) -> str:
    """The variable of the environment that says a field.

    >>> _variable("workers"), _variable("MLFLOW_TRACKING_URI")
    ('PERENNIAL_WORKERS', 'MLFLOW_TRACKING_URI')
    """
    return field if field.isupper() else f"PERENNIAL_{field}".upper()


class Settings(BaseSettings, metaclass=_Remembered):
    """As the environment says at the moment that it is asked for; `PERENNIAL_HOME=elsewhere` moves all of it.

    MLFLOW_TRACKING_URI and PREFECT_API_URL keep their own names: their vendors read them too.
    """

    model_config = SettingsConfigDict(env_prefix="PERENNIAL_", extra="ignore", frozen=True)

    home: Path = Path(".perennial")
    ledger_url: str | None = Field(
        default=None, description="SQLAlchemy URL of the ledger; SQLite under home by default."
    )
    log_url: str | None = Field(default=None, description="SQLAlchemy URL of the prediction log and labels.")
    tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")
    ui_url: str = Field(default="http://127.0.0.1:5000", description="Where people open MLflow; used for links only.")
    seed: int = Field(default=7, description="Every random choice derives from it.")
    threads: int = Field(default=1, ge=1, description="Threads of a fit. One makes it the same on every machine.")

    workers: int | None = Field(
        default=None,
        ge=1,
        description="Processes that run experiments; None: one a core but one, which the flow and what serves are left.",
    )
    dask: str | None = Field(
        default=None, description="Address of a Dask scheduler, as tcp://host:8786, that runs experiments instead."
    )

    serving: Literal["turns", "gateway"] | None = Field(
        default=None, description="Overrides who answers requests, for every problem; a plan says it for one."
    )
    gateway_token: SecretStr | None = Field(
        default=None,
        description="Bearer token of the gateway; without one its operator routes answer on loopback only.",
    )
    operators_file: Path | None = Field(
        default=None,
        description="Operators' names and the hashes of their tokens; operators.json under home by default.",
    )
    operator_token: SecretStr | None = Field(
        default=None,
        description="Proves who asks, approves or pauses from this shell: the ledger then says whose token it was.",
    )
    work_pool: str | None = Field(
        default=None,
        description="Where runs are started: the name of a Prefect work pool; None: by the process that serves the deployments.",
    )
    work_pool_type: Literal["process", "docker", "kubernetes"] = Field(
        default="process", description="Of the pool, where it has yet to be made."
    )
    work_image: str | None = Field(
        default=None, description="The image that a docker or kubernetes pool runs: deployments/Dockerfile builds one."
    )
    reports: Literal["all", "alarms"] = Field(
        default="all",
        description="Which closed windows get a report: all, or alarms alone, as a simulation of thousands wants it.",
    )

    notify_webhook: SecretStr | None = Field(
        default=None,
        description="Who is told of events: the URL of a webhook, or TYPE/NAME of a block on the Prefect server that can notify.",
    )
    notify_email: str | None = Field(
        default=None, description="The same by mail: TYPE/NAME of a block, such as sendgrid-email/on-call."
    )
    notify_from: Literal["info", "warning", "critical"] = Field(
        default="warning", description="The least severity that people are told of."
    )
    runbook_url: str = Field(
        default="", description="Where people read RUNBOOK.md; by default the file of this checkout."
    )

    @property
    def runbook(self) -> str:
        return self.runbook_url or (Path(__file__).parents[1] / "RUNBOOK.md").as_uri()

    @property
    def processes(self) -> int:
        """At most eight unless asked for: each holds its rows and 400 MB of libraries."""
        return self.workers or min(max(_cores() - 1, 1), 8)

    @property
    def root(self) -> Path:
        return self.home.expanduser().absolute()

    @property
    def ledger(self) -> str:
        return self.ledger_url or f"sqlite:///{self.root / 'ledger.db'}"

    @property
    def log(self) -> str:
        return self.log_url or f"sqlite:///{self.root / 'predictions.db'}"

    @property
    def mlflow(self) -> str:
        return self.tracking_uri or f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def operators(self) -> Path:
        return self.operators_file or self.root / "operators.json"

    @property
    def data(self) -> Path:
        return self.root / "data"


def _cores() -> int:
    """Those that this process may use, where the system says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
