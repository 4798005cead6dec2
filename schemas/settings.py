"""What does the environment say: where is everything kept, and which servers are used?"""

import os
import re
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import PerennialError
from schemas.refused import refused

__all__ = ["HEARTBEAT", "Settings"]

# Seconds after which a run says again that it lives; Prefect's own 180 let a killed one stand for minutes.
HEARTBEAT = 30


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


_CLONE = re.compile(r"[a-z][a-z0-9-]{0,29}")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,49}")  # PostgreSQL cuts names at 63, and two of ours end in _mlflow and _prefect
# mlflow ignores DO_NOT_TRACK=1, and it does not stop Prefect's server.
_TELLING = ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")
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

    model_config = SettingsConfigDict(env_prefix="PERENNIAL_", extra="ignore", frozen=True, hide_input_in_errors=True)

    home: Path = Path(".perennial")
    database: SecretStr | None = Field(
        default=None,
        description="A PostgreSQL for everything, as postgresql://user@host/perennial: ledger and prediction log are kept in "
        "that database, MLflow's and Prefect's own tables in two beside it. SQLite under home by default.",
    )
    database_password_file: Path | None = Field(
        default=None, description="A file that holds its password, where neither the URL nor PGPASSWORD does."
    )
    # These may hold a password, and are not printed either.
    ledger_url: str | None = Field(
        default=None, repr=False, description="SQLAlchemy URL of the ledger; SQLite under home by default."
    )
    log_url: str | None = Field(
        default=None, repr=False, description="SQLAlchemy URL of the prediction log and labels."
    )
    tracking_uri: str | None = Field(default=None, repr=False, validation_alias="MLFLOW_TRACKING_URI")
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
    gateways: dict[str, str] = Field(
        default_factory=dict,
        description="Where people open the gateway of a problem, by name, as JSON; used for links only. `make up` says it.",
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
    clone: str = Field(
        default="",
        description="A name of this clone where several share one Prefect server: what it deploys carries it, and is its alone.",
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

    telemetry: bool = Field(
        default=False, description="Whether the libraries that we start may tell their makers of their use."
    )

    logs: Literal["text", "json"] = Field(
        default="text",
        description="How turns, gateways and commands log: as Prefect and Python do, or one JSON object a line.",
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

    @field_validator("database")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        """One form that psycopg2, asyncpg and PostgreSQL's own programs all read; what is wrong is said without the URL."""
        if value is None or not value.get_secret_value():
            return None
        url = urlsplit(value.get_secret_value())
        name = url.path.removeprefix("/")
        if (
            url.scheme not in ("postgresql", "postgres")
            or not url.username
            or not url.hostname
            or not _NAME.fullmatch(name)
        ):
            raise PerennialError(
                "PERENNIAL_DATABASE is not postgresql://user@host:port/name, whose name is of lower-case letters, digits and _ "
                "and at most 50 long. Correct it, or unset it for SQLite under PERENNIAL_HOME."
            )
        if other := {key for key, _ in parse_qsl(url.query, keep_blank_values=True)} - {"sslmode"}:
            raise PerennialError(
                f"PERENNIAL_DATABASE has ?{min(other)}=, which is not read by all that use it; sslmode is. Set PGSSLROOTCERT "
                "and the like in the environment, and a password as PGPASSWORD."
            )
        return value

    @field_validator("clone")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        # "problem" would make this clone's events look like those of the clone without a name.
        if value and (not _CLONE.fullmatch(value) or value == "problem"):
            raise PerennialError(
                f"PERENNIAL_CLONE is {value!r}, and a clone's name is of lower-case letters, digits and -, begins with a letter, is "
                "at most 30 long and not 'problem'. Correct it, or unset it where one clone alone uses the Prefect server."
            )
        return value

    @property
    def mark(self) -> str:
        """What all of this clone's on a Prefect server begins with, or carries as its tag."""
        return f"perennial.{self.clone}" if self.clone else "perennial"

    def named(self, name: str) -> str:
        """A name on the server that no other clone gives: a deployment's is one for all that share it."""
        return f"{self.clone}.{name}" if self.clone else name

    @property
    def runbook(self) -> str:
        return self.runbook_url or (Path(__file__).parents[1] / "RUNBOOK.md").as_uri()

    @property
    def silence(self) -> dict[str, str]:
        """The variables that keep every library from telling its maker of its use: none where PERENNIAL_TELEMETRY says true."""
        return {} if self.telemetry else dict.fromkeys(_TELLING, "true") | {"PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

    @property
    def logging(self) -> dict[str, str]:
        """The variable by which Prefect, in whichever process it is imported, logs as PERENNIAL_LOGS says."""
        if self.logs == "text":
            return {}
        return {"PREFECT_LOGGING_SETTINGS_PATH": str(Path(__file__).parents[1] / "flows" / "logging.yml")}

    @property
    def processes(self) -> int:
        """At most eight unless asked for: each holds its rows and 400 MB of libraries."""
        return self.workers or min(max(_cores() - 1, 1), 8)

    @property
    def root(self) -> Path:
        return self.home.expanduser().absolute()

    @property
    def ledger(self) -> str:
        return self.ledger_url or self._kept_in("ledger.db", "")

    @property
    def log(self) -> str:
        return self.log_url or self._kept_in("predictions.db", "")

    @property
    def mlflow(self) -> str:
        """Where this process finds MLflow: a server's address, or the database itself."""
        return self.tracking_uri or self.mlflow_database

    @property
    def mlflow_database(self) -> str:
        """What an MLflow server of ours keeps its rows in. A database of its own: MLflow has a table `experiments` too, and
        its migrations, like Prefect's, count in one table `alembic_version`."""
        own = self.tracking_uri or ""
        if own and not own.startswith(("http://", "https://")):
            return own
        return self._kept_in("mlflow.db", "_mlflow")

    @property
    def prefect_database(self) -> str:
        """What a Prefect server of ours keeps its rows in."""
        return self._kept_in("prefect/prefect.db", "_prefect")

    def _kept_in(self, file: str, beside: str) -> str:
        """The URL of an SQLite file under home, or of the database whose name ends in `beside`. It may hold a password."""
        if self.database is None:
            return f"sqlite:///{self.root / file}"
        url = urlsplit(self.database.get_secret_value())
        login, _, host = url.netloc.rpartition("@")
        if ":" not in login and self.database_password_file is not None:
            login = f"{login}:{quote(self._password(self.database_password_file), safe='')}"
        query = f"?{url.query}" if url.query else ""
        return f"postgresql+psycopg2://{login}@{host}{url.path}{beside}{query}"

    @staticmethod
    def _password(file: Path) -> str:
        try:
            return file.read_text().rstrip("\r\n")
        except OSError as error:
            raise PerennialError(
                f"PERENNIAL_DATABASE_PASSWORD_FILE names {file}, which cannot be read ({type(error).__name__}). Let this "
                "user read it, or give the password as PGPASSWORD."
            ) from None

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
