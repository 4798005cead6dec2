"""How does a person go back, and see that it happened? One command: the ledger, the registry, and what the gateway answers with."""

import json
import time
import urllib.request
from urllib.error import URLError

from flows.asking import revert_now
from flows.border import Done
from flows.telling import tell
from schemas.errors import PerennialError
from schemas.problem import load_problem
from tasks import registry
from tasks.figures import keep

__all__ = ["run"]

_PATIENCE = 30.0  # seconds


def run(name: str, *, reason: str, url: str | None, actor: str = "") -> Done:
    """Revert `name` at once; with the `url` of its gateway, wait until that serves what the ledger says."""
    began = time.monotonic()
    state = revert_now(name, note=reason, actor=actor)
    assert state.champion is not None
    print(
        f"the ledger says: {state.champion} serves {name} ({state.stage}), {time.monotonic() - began:.1f} s", flush=True
    )
    route = registry.read_route(load_problem(name))
    if route is None or route.champion.sha256 != state.champion.sha256:
        raise PerennialError("the registry does not say so yet; the next turn re-asserts it. Is it reachable?")
    if url:
        _await(url, name, state.champion.version)
        print(f"the gateway answers with version {state.champion.version}, {time.monotonic() - began:.1f} s")
    tell(state)
    figures = {
        "problem": name,
        "stage": state.stage,
        "champion": state.champion.version,
        "seconds": round(time.monotonic() - began, 2),
        "verified": bool(url),
    }
    keep("rollback", figures)
    return Done(figures)


def _await(url: str, name: str, version: str) -> None:
    deadline, said = time.monotonic() + _PATIENCE, "nothing"
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/v2/models/{name}", timeout=5) as answer:  # noqa: S310  (the user's own)
                said = json.load(answer)["versions"][0]
        except (URLError, OSError, ValueError, KeyError) as error:
            said = type(error).__name__
        if said == version:
            return
        time.sleep(0.1)
    raise PerennialError(
        f"after {_PATIENCE:.0f} s the gateway at {url} serves version {said}, and the ledger says {version}; see its page."
    )
