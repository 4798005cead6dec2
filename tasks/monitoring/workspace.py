"""Where does Evidently's own UI find the reports? A workspace under our folder: one project a problem, one snapshot a window."""

import os
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from schemas.errors import PerennialError
from schemas.settings import Settings
from tasks.monitoring.window import Window

__all__ = ["add", "serve", "snapshot_file", "workspace_folder"]


class NoReportsError(PerennialError):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"there is no report in {folder} yet: the first is made by the turn that closes a monitoring window. Run "
            "`make demo`, or wait for that turn."
        )


def workspace_folder() -> Path:
    return Settings().root / "evidently"


def project_of(problem: str) -> UUID:
    """The same id each time, so that whoever comes first makes the project, and nobody makes it twice."""
    return uuid5(NAMESPACE_URL, f"perennial/{problem}")


def snapshot_file(problem: str, name: str) -> Path:
    """Where the snapshot of the window `name` lies; a window that is reported again takes the place of itself."""
    project = project_of(problem)
    return workspace_folder() / str(project) / "snapshots" / f"{uuid5(project, name)}.json"


def add(window: Window, snapshot: Any, *, description: str = "") -> None:
    """Add the snapshot to its problem's project; the first one makes the project, with a dashboard that people may edit."""
    from evidently.sdk.models import ProjectModel
    from evidently.ui.workspace import Workspace

    project = project_of(window.problem)
    workspace = Workspace(str(workspace_folder()))
    if not (workspace_folder() / str(project)).exists():
        workspace.add_project(ProjectModel(id=project, name=window.problem, description=description))
        workspace.save_dashboard(project, _dashboard())
    workspace.state.write_snapshot(project, uuid5(project, window.name), snapshot.to_snapshot_model())


def serve(*, host: str, port: int) -> None:
    """Evidently's own UI over the workspace, until it is stopped. It reads what a turn adds meanwhile."""
    # Its service calls home unless told not to.
    os.environ.update(Settings().silence)
    if not any(workspace_folder().glob("*/snapshots/*.json")):
        raise NoReportsError(workspace_folder())
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently.ui.service.app import run_local

        run_local(host=host, port=port, workspace=str(workspace_folder()))


def _dashboard() -> Any:
    """What a problem's project opens with: alarms, and every name on one scale, window by window."""
    from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric
    from evidently.sdk.panels import bar_plot_panel, line_plot_panel

    panels = [
        bar_plot_panel(
            "Verdict of each window",
            [PanelMetric(legend="1 alarm, 0.5 not judged, 0 no alarm", metric="LedgerVerdict")],
            "As it stands in the ledger.",
        ),
        line_plot_panel(
            "Distance in units of its limit",
            [PanelMetric(legend="{{name}}", metric="ShareOfLimit")],
            "Above 1 a name lies outside its limit, which comes from this problem's own windows.",
        ),
        line_plot_panel(
            "Quality on matured rows",
            [PanelMetric(legend=name, metric=name) for name in ("RocAuc", "Precision", "Recall", "RMSE")],
            "Of what could be measured when the window closed; the labels are those of older requests.",
        ),
    ]
    return DashboardModel(tabs=[DashboardTabModel(title="Overview", panels=[p.id for p in panels])], panels=panels)
