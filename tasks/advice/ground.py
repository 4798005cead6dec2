"""Does what everything stands on hold: the environment, the stores, and that the table could be looked at?"""

from collections.abc import Iterator

from tasks.advice.facts import Environment, Facts
from tasks.advice.findings import Finding, Severity, several

__all__ = ["environment", "looked_at", "stores"]

_PYTHONS = ((3, 11), (3, 13))
_ROOM_GB = 1.0  # snapshots, models of up to 500 MB, three databases
_LONG = 600  # characters of an error over which its middle is left out: a table may have hundreds of columns


def environment(facts: Facts) -> Iterator[Finding]:
    found = facts.environment
    if found is None:
        return
    lowest, highest = _PYTHONS
    if not lowest <= found.python <= highest:
        said = f"Python {found.python[0]}.{found.python[1]}, and 3.11 to 3.13 are supported"
        yield Finding(Severity.MUST, "This Python is not supported", said, "make setup PYTHON=python3.12")
    if found.switches:
        step = f"unset {' '.join(switch.split('=')[0] for switch in found.switches)}"
        yield Finding(Severity.MUST, "Contracts are switched off", several(found.switches), step)
    if not found.writable:
        yield Finding(
            Severity.MUST,
            "Nothing can be written",
            f"{found.home} is not writable",
            "set PERENNIAL_HOME to a folder of yours",
        )
    elif found.free_gb < _ROOM_GB:
        said = f"{found.free_gb:.1f} GB are free at {found.home}, a rollout's snapshots and models want {_ROOM_GB:g}"
        yield Finding(Severity.MUST, "The disk is nearly full", said, "make room, or set PERENNIAL_HOME elsewhere")
    yield from _versions(found)


def _versions(found: Environment) -> Iterator[Finding]:
    if found.unlocked:
        yield Finding(Severity.SHOULD, "No version is locked", "there is no requirements.lock", "make lock")
    elif found.differing:
        shown = several(f"{name} {have} (locked {locked})" for name, have, locked in found.differing)
        said = f"{len(found.differing)} packages differ from requirements.lock: {shown}"
        yield Finding(Severity.SHOULD, "Versions are not the locked ones", said, "make setup")


def stores(facts: Facts) -> Iterator[Finding]:
    for database in facts.databases:
        if database.says:
            step = f"start it, or unset {database.setting} for SQLite under PERENNIAL_HOME"
            yield Finding(Severity.MUST, f"The {database.what} cannot be reached", database.says, step)


def looked_at(facts: Facts) -> Iterator[Finding]:
    """What could not be looked at is a finding of its own: a check that raises is none that passed."""
    for what, why in facts.failed.items():
        said = why if len(why) <= _LONG else f"{why[: _LONG // 2]} ... {why[-_LONG // 3 :]}"
        yield Finding(Severity.MUST, f"The {what} cannot be checked", said, "")
