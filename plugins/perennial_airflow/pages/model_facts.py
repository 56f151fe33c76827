"""What the page of a model says beyond the recorded facts: charts, and where each thing leads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml.jobs.model_view import ModelView
from ml.monitoring.history.figures import figures
from ml.monitoring.history.marks import marked
from ml.monitoring.history.words import meaning
from ml.registry.links import version_url
from ml.settings import Settings
from ml.state.overview import Said
from ml.state.records import Batch, Decision, Training
from perennial_airflow.pages import addresses
from perennial_airflow.pages.schedule import Schedule

_HELP = {
    "drift": ("Drift", "The share of the feature columns that lay beyond their thresholds. Triangles: a training was asked for."),
    "quality": ("Quality", "On labelled rows with 95 % intervals, and as it was estimated without labels (dotted)."),
    "columns": ("The farthest columns", "How far each column lay from what the champion learnt from, in multiples of its threshold."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the template shows beside the view itself.

    Args:
        view: The recorded facts.
        schedule: What Airflow knows of the DAGs.
        means: The paragraph at the top, from the numbers.
        charts: Plotly's data and layout, by the id of the element that each is drawn in.
        titles: The same ids → heading and text.
        mlflow: Version → its page in MLflow; without those that have none.
        docs: The index of the model's Data Docs, where there is one.
    """

    view: ModelView
    schedule: Schedule
    means: str
    charts: Mapping[str, Any]
    titles: Mapping[str, tuple[str, str]]
    mlflow: Mapping[int, str]
    docs: str | None

    @classmethod
    def of(cls, settings: Settings, view: ModelView, schedule: Schedule) -> "Shown":
        """What is shown of a view."""
        history = view.history
        charts: Mapping[str, Any] = {}
        if history is not None:
            charts = marked(figures(history), trainings=view.trainings, changes=view.changes, since=history.since)
        versions = {one.version for one in view.trainings if one.version is not None} | {one.version for one in view.changes}
        pages = {version: version_url(settings, view.model, version) for version in versions}
        has_docs = (settings.home / "data_docs" / view.model / "index.html").is_file()
        return cls(
            view=view,
            schedule=schedule,
            means="" if history is None else " ".join(meaning(history)),
            charts={name: charts[name] for name in _HELP if name in charts},
            titles=_HELP,
            mlflow={version: page for version, page in pages.items() if page is not None},
            docs=addresses.own("data-docs", view.model, "index.html") if has_docs else None,
        )

    @property
    def gates(self) -> dict[int, Training]:
        """Version → the training that made it."""
        return {one.version: one for one in reversed(self.view.trainings) if one.version is not None}

    @property
    def registry(self) -> str | None:
        """The model in MLflow, where that has an address."""
        return next((page.rsplit("/versions/", 1)[0] for page in self.mlflow.values()), None)

    @staticmethod
    def run_of(training: Training) -> str | None:
        """The DAG run that trained; None for a training by hand."""
        dag, slash, run = training.key.partition("/")
        return addresses.airflow("dags", dag, "runs", run) if slash else None

    @staticmethod
    def report_of(decision: Said | Decision) -> str | None:
        """The Evidently report of the window that was judged."""
        return None if decision.window is None or decision.report_url is None else addresses.own("reports", decision.model, decision.window)

    @staticmethod
    def docs_of(batch: Batch) -> str | None:
        """The Data Docs page of a batch."""
        return None if batch.docs_url is None else addresses.own("data-docs", batch.model, f"{batch.id}.html")

    @property
    def recommended(self) -> str | None:
        """The policy that the newest replay recommends."""
        if self.view.replay is None:
            return None
        told = self.view.replay.result
        found = next((one for one in told.get("cells", ()) if one["cost"] == told.get("chosen_cost")), None)
        return None if found is None else str(found["recommended"]["name"])
