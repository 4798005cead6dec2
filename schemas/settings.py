"""What does the environment say: where is everything kept, and which servers are used?"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Read from the environment each time it is made; `PERENNIAL_HOME=elsewhere` moves all of it.

    MLFLOW_TRACKING_URI and PREFECT_API_URL keep their own names: their vendors read them too.
    """

    model_config = SettingsConfigDict(env_prefix="PERENNIAL_", extra="ignore")

    home: Path = Path(".perennial")
    ledger_url: str | None = Field(
        default=None, description="SQLAlchemy URL of the ledger; SQLite under home by default."
    )
    log_url: str | None = Field(default=None, description="SQLAlchemy URL of the prediction log and labels.")
    tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")
    ui_url: str = Field(default="http://127.0.0.1:5000", description="Where people open MLflow; used for links only.")
    seed: int = Field(default=7, description="Every random choice derives from it.")
    threads: int = Field(default=1, ge=1, description="Threads of a fit. One makes it the same on every machine.")

    serving: Literal["turns", "gateway"] | None = Field(
        default=None, description="Overrides who answers requests, for every problem; a plan says it for one."
    )
    gateway_token: SecretStr | None = Field(
        default=None,
        description="Bearer token of the gateway; without one its operator routes answer on loopback only.",
    )
    reports: Literal["all", "alarms"] = Field(
        default="all",
        description="Which closed windows get a report: all, or alarms alone, as a simulation of thousands wants it.",
    )

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
    def data(self) -> Path:
        return self.root / "data"
