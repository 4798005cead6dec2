"""How does a process without Prefect tell its server of an event? One bounded POST."""

import base64
import json
import logging
import os
import urllib.request
from datetime import datetime
from typing import Any

from schemas.errors import told
from schemas.events import Event

__all__ = ["post"]

log = logging.getLogger("perennial")
_PATIENCE = 5.0  # seconds


def post(event: Event, *, occurred: datetime, runbook: str) -> bool:
    """Send `event` to the server of PREFECT_API_URL; whether it was taken. It never raises: a lost event only delays, since
    every turn reads the ledger and the trips. The server takes the same id once."""
    api = os.environ.get("PREFECT_API_URL")
    if not api:
        return False
    said = event.told(runbook=runbook)
    body = json.dumps([{**said, "id": str(said["id"]), "occurred": occurred.isoformat()}]).encode()
    request = urllib.request.Request(f"{api.rstrip('/')}/events", body, _headers())  # noqa: S310  (the user's own server)
    try:
        urllib.request.urlopen(request, timeout=_PATIENCE).close()  # noqa: S310
    except (OSError, ValueError) as error:
        log.warning("%s of %s could not be told to Prefect: %s", event.known.event, event.problem, told(error))
        return False
    return True


def _headers() -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    if auth := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["authorization"] = f"Basic {base64.b64encode(auth.encode()).decode()}"
    elif key := os.environ.get("PREFECT_API_KEY"):
        headers["authorization"] = f"Bearer {key}"
    return headers
