"""What do all declarations share? Once made they stay as they are, and they take nothing that nobody named."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Frozen"]


class Frozen(BaseModel):
    """A declaration. A limit that is no number would let everything pass, and so none is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
