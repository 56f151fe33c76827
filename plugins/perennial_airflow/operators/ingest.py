"""The steps of `<model>.ingest`."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import Asset, Context

from ml.settings import Settings
from perennial_airflow.links import DATA_DOCS, ResultLink, docs_url
from perennial_airflow.operators.job import JobOperator

MOST_DELIVERIES = 1000
"""At most so many in one run: Airflow maps a task over 1024 values. The others wait for the next run."""
_SHOWN = 10
_LOOKED_AT_EVENTS = 20


class FindDeliveries(JobOperator):
    """Finds deliveries that were not judged yet and returns their URLs, oldest first."""

    def job(self, settings: Settings, context: Context) -> list[str]:  # noqa: ARG002
        """One URL a delivery."""
        from ml.data.deliveries import hidden
        from ml.jobs.ingest import find_deliveries

        found = find_deliveries(settings, self.model)
        self.say(f"{len(found)} deliveries wait", {"first": [hidden(url) for url in found[:_SHOWN]]})
        if len(found) > MOST_DELIVERIES:
            self.say(f"this run takes the oldest {MOST_DELIVERIES}; the other {len(found) - MOST_DELIVERIES} wait for the next one")
        return found[:MOST_DELIVERIES]


class IngestDelivery(JobOperator):
    """Validates one delivery, and accepts or quarantines it whole. A quarantined delivery is a result, not a failure."""

    operator_extra_links = (ResultLink(DATA_DOCS),)

    def __init__(self, *, url: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.url = url

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:
        """What became of the delivery."""
        from ml.jobs.ingest import ingest_delivery

        # Another try after a kill must tell what the first one did: `announce` speaks of what was accepted in this run.
        result = ingest_delivery(settings, self.model, self.url, since=context["dag_run"].run_after)
        failing = f", {result.failing_rows} of {result.rows} rows fail" if result.failing_rows else ""
        name = result.source.rsplit("/", 1)[-1]
        context["delivery"] = f"{result.status}: {name}{failing}"  # type: ignore[typeddict-unknown-key]
        if result.docs_url:
            self.links[DATA_DOCS] = docs_url(self.model, result.docs_url)
        quarantined = result.status == "quarantined"
        facts: dict[str, object] = {
            "batch": result.id,
            "rows": result.rows,
            "failing rows": result.failing_rows,
            "dataset version": result.dataset_version,
            DATA_DOCS: self.links.get(DATA_DOCS),
            "look": f"perennial quarantine show {self.model} {result.id[:12]}" if quarantined else None,
        }
        warnings = {f"warning {number}": warning for number, warning in enumerate(result.warnings[:_SHOWN], 1)}
        reasons = {f"reason {number}": reason for number, reason in enumerate(result.reasons[:_SHOWN], 1)}
        more = {"more reasons": len(result.reasons) - _SHOWN} if len(result.reasons) > _SHOWN else {}
        self.say(f"{result.status.upper()} {result.source}", {**facts, **reasons, **more, **warnings})
        return {**result.model_dump(mode="json"), "reasons": result.reasons[:_SHOWN], "warnings": result.warnings[:_SHOWN]}


class AnnounceData(JobOperator):
    """Sums the run up, and emits the asset `<model>.data` if rows were accepted that no event has told of.

    What was told is read from the asset's own events: so rows are announced also when they were accepted by a task that was ended
    after it, by a run that was lost, or by hand.
    """

    template_fields: Sequence[str] = ("results",)

    def __init__(self, *, results: Any, asset: Asset, **kwargs: Any) -> None:
        super().__init__(inlets=[asset], outlets=[asset], **kwargs)
        self.results = results
        self.asset = asset

    def job(self, settings: Settings, context: Context) -> dict[str, int]:
        """How many deliveries of this run, by status, and how many accepted rows."""
        from ml.jobs.accepted import accepted_after

        # By index: running to the end of the sequence makes Airflow log an error for the one that is not there.
        found = [self.results[index] for index in range(len(self.results or ()))]
        count = {status: sum(one["status"] == status for one in found) for status in ("accepted", "quarantined", "duplicate")}
        count["rows"] = sum(one["rows"] or 0 for one in found if one["status"] == "accepted")
        summary = f"{count['accepted']} accepted ({count['rows']} rows), {count['quarantined']} quarantined, {count['duplicate']} known"
        new = accepted_after(settings, self.model, self._told(context))
        if new is None:
            raise self.skip(f"{summary}: nothing new for the other DAGs")
        earlier = new.batches - count["accepted"]
        self.say(summary, {"dataset version": new.dataset_version, "accepted before and not announced": earlier if earlier > 0 else None})
        context["outlet_events"][self.asset].extra = new.model_dump()
        return count

    def _told(self, context: Context) -> int | None:
        """The dataset version of the newest event; events that a person made by hand name none."""
        events = context["inlet_events"][self.asset].ascending(False).limit(_LOOKED_AT_EVENTS)
        versions = ((event.extra or {}).get("dataset_version") for event in events)
        return next((version for version in versions if isinstance(version, int)), None)
