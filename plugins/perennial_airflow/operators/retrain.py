"""Waking the training, or the question whether to train: in `<model>.monitor`, and as a last look in other DAGs."""

from typing import Any

from airflow.sdk import Asset, Context

from ml.settings import Settings
from perennial_airflow.links import DECISION, REPORT, ResultLink, decision_url, report_url
from perennial_airflow.operators.job import JobOperator


class AnnounceRetrain(JobOperator):
    """Reconciles the ledger, then emits the asset `<model>.retrain` while any decision of the model is open, not only a new one.

    So an event that was lost (Airflow drops those that arrive while a run is under way, or while the DAG is paused) is made up for, and
    a claim whose worker is dead is open again.
    """

    operator_extra_links = (ResultLink(DECISION), ResultLink(REPORT))

    def __init__(self, *, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.asset = asset

    def job(self, settings: Settings, context: Context) -> None:
        """Nothing is returned."""
        from ml.jobs.reconcile import reconcile

        found = reconcile(settings, self.model, announce=True)
        for one in found.failed:
            self.log.error("%s has failed after %s tries, the last was %s: %s. %s", one.id, one.tries, one.run, one.error, one.cure)
        if found.reopened or found.expired:
            self.say(
                "looked after the ledger", {"claims of dead runs, open again": found.reopened, "suggestions that ended": found.expired}
            )
        if not found.open:
            raise self.skip("no decision asks for a training")
        newest = found.open[-1]
        self.links[DECISION] = decision_url(self.model, newest.id)
        if newest.report and newest.window:
            self.links[REPORT] = report_url(self.model, newest.window)
        extra: dict[str, Any] = {
            "decision": newest.id,
            "reasons": newest.reasons,
            "report": self.links.get(REPORT),
            "open_decisions": len(found.open),
        }
        woken = {"woken before": newest.announcements, "tries so far": newest.tries}
        self.say(f"{len(found.open)} open: a training is asked for", {**extra, **woken})
        if newest.tries:
            self.log.warning("%s: runs that came to no end so far: %s; the run of %s.train says why", newest.id, newest.tries, self.model)
        elif newest.announcements:
            self.log.warning(
                "%s was announced before (%s) since %s and not picked up: is the DAG %s.train paused, or a run of it waiting?",
                newest.id,
                newest.announcements,
                newest.decided_at,
                self.model,
            )
        context["outlet_events"][self.asset].extra = extra


class AnnounceSuggestion(JobOperator):
    """Emits the asset `<model>.suggestion` while a suggestion waits for a person's word."""

    operator_extra_links = (ResultLink(DECISION),)

    def __init__(self, *, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.asset = asset

    def job(self, settings: Settings, context: Context) -> None:
        """Nothing is returned."""
        from ml.jobs.reconcile import waiting

        found = waiting(settings, self.model)
        if not found:
            raise self.skip("no suggestion waits for an answer")
        newest = found[-1]
        self.links[DECISION] = decision_url(self.model, newest.id)
        until = newest.until.isoformat() if newest.until else None
        extra: dict[str, Any] = {"decision": newest.id, "reasons": newest.reasons, "until": until}
        self.say("a person is asked whether to train", extra)
        context["outlet_events"][self.asset].extra = extra
