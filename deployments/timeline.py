"""How is a replay told in a terminal? One line for what mattered, one moving line for the days between."""

import sys
from datetime import UTC, datetime
from typing import Any

from schemas.stage import Stage
from tasks.ledger import Row

__all__ = ["Timeline"]

_COLOURS = {"PASS": "32", "FAIL": "31", "WAIT": "33", "note": "36", "bold": "1", "dim": "2"}
_WIDTH = 150


class Timeline:
    """Prints rows as they come. On a terminal the days between are one line that moves; elsewhere they are dots."""

    def __init__(self, start: datetime, days: int) -> None:
        self.start, self.days, self.turns = start, days, 0
        self.live = sys.stdout.isatty()
        self._pending = False
        self._incident = ""  # that was told last, while it goes on

    def row(self, row: Row) -> None:
        facts = row.facts
        if facts["kind"] == "turn":
            self.turns += 1
        if facts["kind"] == "rules":
            return
        news = self._news(row)
        if not (_matters(facts) or news):
            self._progress(facts)
            return
        if facts["kind"] == "request":
            request = facts["request"]
            self.note(self.day(facts["at"]), f"{request['actor']} asks for a {request['kind']}: {request['note']}")
            return
        share = f" {facts['share']:.0%}" if facts["stage"] == Stage.CANARY else ""
        arrow = (
            f"{facts['before']} → {facts['stage']}{share}"
            if facts["before"] != facts["stage"]
            else f"{facts['stage']}{share}"
        )
        serving = f"v{row.notes['versions'].get('champion', '–')}"
        self._line(
            self.day(facts["at"]),
            f"{arrow:<24}",
            self.paint(facts["outcome"], facts["outcome"]),
            f"{serving:<4}",
            row.notes["reason"],
        )

    def _news(self, row: Row) -> bool:
        """Whether triage says something that it did not say the turn before."""
        if row.facts["kind"] != "turn" or row.facts["before"] != Stage.HEALTHY:
            return False
        before, self._incident = self._incident, row.notes.get("incident", {}).get("kind", "")
        return self._incident not in ("", before)

    def note(self, day: int, text: str) -> None:
        """Something that the world did, not the loop."""
        self._line(day, f"{'·':<24}", "    ", "    ", self.paint("note", text))

    def day(self, moment: str | datetime) -> int:
        """Days since the start of the data."""
        at = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return (at.astimezone(UTC) - self.start).days

    def paint(self, name: str, text: str) -> str:
        return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if self.live else text

    def close(self) -> None:
        if self._pending:
            print("\r\x1b[K" if self.live else "", end="" if self.live else "\n")
            self._pending = False

    def _line(self, day: int, *parts: str) -> None:
        self.close()
        head, reason = f"day {day:>3}  {'  '.join(parts[:-1])}", parts[-1]
        print(f"{head}  {_shortened(reason)}", flush=True)

    def _progress(self, facts: dict[str, Any]) -> None:
        day = self.day(facts["at"])
        if self.live:
            done = int(30 * day / self.days)
            print(
                f"\r\x1b[K  [{'█' * done}{'░' * (30 - done)}] day {day} of {self.days}, turn {self.turns}, {facts['stage']}",
                end="",
                flush=True,
            )
        else:
            print("." if self._pending else "         .", end="", flush=True)
        self._pending = True


def _matters(facts: dict[str, Any]) -> bool:
    moved = facts["before"] != facts["stage"] or facts["kind"] == "request"
    next_share = facts["kind"] == "turn" and facts["stage"] == Stage.CANARY and facts["share_since"] == facts["at"]
    return bool(moved or next_share)


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _WIDTH else f"{reason[: _WIDTH - 1]}…"
