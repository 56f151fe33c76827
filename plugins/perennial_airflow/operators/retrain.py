"""Waking the training: in `<model>.monitor`, and as a last look in `<model>.train`."""

from typing import Any

from airflow.sdk import Asset, Context

from ml.settings import Settings
from perennial_airflow.links import report_url
from perennial_airflow.operators.job import JobOperator


class AnnounceRetrain(JobOperator):
    """Emits the asset `<model>.retrain` while any decision of the model is open, not only a new one.

    So an event that was lost (Airflow drops those that arrive while a run is under way, or while the DAG is paused) is made up for.
    """

    def __init__(self, *, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.asset = asset

    def job(self, settings: Settings, context: Context) -> None:
        """Nothing is returned."""
        from ml.jobs.monitor import open_requests

        requests = open_requests(settings, self.model)
        if not requests:
            raise self.skip("no decision asks for a training")
        newest = requests[-1]
        window = newest["id"].removeprefix("decision-")
        extra: dict[str, Any] = {
            "decision": newest["id"],
            "reasons": newest["reasons"],
            "report": report_url(self.model, window) if newest["report"] else None,
            "open_decisions": len(requests),
        }
        self.say(f"{len(requests)} open: a training is asked for", extra)
        context["outlet_events"][self.asset].extra = extra
