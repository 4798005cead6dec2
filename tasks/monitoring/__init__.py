"""What do people read about a window? The only room that knows Evidently, which is imported when a report is made."""

from tasks.monitoring.memory import recall, remember
from tasks.monitoring.report import Report, make_report
from tasks.monitoring.shelf import Removed, place, tidy
from tasks.monitoring.window import Judged, Matured, Window
from tasks.monitoring.workspace import serve

__all__ = [
    "Judged",
    "Matured",
    "Removed",
    "Report",
    "Window",
    "make_report",
    "place",
    "recall",
    "remember",
    "serve",
    "tidy",
]
