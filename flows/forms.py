"""Where does a person answer? The address of a deployment's form in the Prefect UI, filled in as far as it can be."""

import json
import logging
from urllib.parse import quote

from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings

from schemas.errors import told
from schemas.settings import Settings

__all__ = ["form_of"]

log = logging.getLogger("perennial")


def form_of(deployment: str, **filled: str) -> str:
    """The address of the form of this clone's deployment FLOW/NAME; empty where no server, UI or such deployment is known. An address
    is a help to people: looking for it never fails a turn."""
    ui = get_current_settings().ui_url
    if not ui:
        return ""
    of, _, name = deployment.partition("/")
    try:
        with get_client(sync_client=True) as client:
            found = client.read_deployment_by_name(f"{of}/{Settings().named(name)}")
    except Exception as error:
        log.debug("the form of %s is not known: %s", deployment, told(error))
        return ""
    # The UI decodes what its router has decoded before.
    parameters = quote(quote(json.dumps(filled), safe=""), safe="")
    return f"{ui}/deployments/deployment/{found.id}/run" + (f"?parameters={parameters}" if filled else "")
