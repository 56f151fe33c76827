"""The steps of `<model>.monitor`."""

from typing import Any

from airflow.sdk import Asset, Context

from ml.settings import Settings
from perennial_airflow.links import DECISION, HISTORY, MLFLOW_RUN, REPORT, ResultLink, decision_url, report_url, window_run_url
from perennial_airflow.operators.job import JobOperator

_SHOWN = 30


class WatchChampion(JobOperator):
    """Scores the former champion beside the new one on rows whose labels have become known, and rolls back if the new one is worse.

    Only then it emits the asset `<model>.champion`; else it is skipped, and what follows goes on.
    """

    def __init__(self, *, asset: Asset, **kwargs: Any) -> None:
        super().__init__(outlets=[asset], **kwargs)
        self.asset = asset

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:
        """The watch that ended in a rollback."""
        from ml.jobs.watch import watch

        # Another try after a kill must tell what the first one did.
        result = watch(settings, self.model, since=context["dag_run"].run_after)
        if result is None:
            raise self.skip("no champion is watched")
        facts: dict[str, object] = {
            "rows": f"{result.rows} ({result.fresh_rows} new)",
            "mean loss": result.loss,
            "former champion's mean loss": result.former_loss,
            "evidence": result.evidence,
            "bar": result.bar,
            "until": result.until,
        }
        self.say(f"{result.state}: {result.reason}", facts)
        if result.state != "rolled_back":
            raise self.skip("the champion stays")
        context["outlet_events"][self.asset].extra = {"version": result.former, "rolled_back": result.version, "reason": result.reason}
        found: dict[str, Any] = result.model_dump(mode="json")
        return found


class TakeWindow(JobOperator):
    """Takes the window to look at and returns its id; skips what follows where there is none."""

    def job(self, settings: Settings, context: Context) -> str:  # noqa: ARG002
        """The window's id."""
        from ml.jobs.monitor import take_window

        taken = take_window(settings, self.model)
        if taken.window is None:
            raise self.skip(f"no window: {taken.reason}")
        waiting = f"{taken.left} rows wait for the next look (monitoring.maximum_rows)" if taken.left else None
        self.say(f"window {taken.window}", {"left": waiting})
        return taken.window


class WindowOperator(JobOperator):
    """A step about one window."""

    template_fields = ("window",)

    def __init__(self, *, window: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = window


class MeasureWindow(WindowOperator):
    """Measures drift and quality in the window and writes its Evidently report.

    A window that cannot be measured fails the task and is given up: the next run takes a new one.
    """

    operator_extra_links = (ResultLink(REPORT), ResultLink(MLFLOW_RUN))

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """What was measured."""
        from ml.jobs.monitor import measure

        measured = measure(settings, self.window)
        self.links = {REPORT: report_url(self.model, self.window), MLFLOW_RUN: window_run_url(self.model, self.window)}
        columns = measured.drift.columns
        drifted = sorted((name for name, one in columns.items() if one.drifted), key=lambda name: -columns[name].value)
        shown = {
            name: f"{columns[name].method} {columns[name].value:.4f} (threshold {columns[name].threshold:g})" for name in drifted[:_SHOWN]
        }
        facts: dict[str, object] = {
            "report": self.links[REPORT],
            "rows": measured.window.rows,
            "labelled rows": measured.window.labelled_rows,
            "champion": f"version {measured.window.champion}",
            "quality": measured.quality,
            "rows of the quality": measured.quality_rows,
        }
        self.say(f"{len(drifted)} of {len(columns)} feature columns drifted in {self.window}", {**facts, **shown})
        return measured.model_dump(mode="json", exclude={"drift": {"columns"}, "ranking": True, "segments": True})


class DecideRetraining(WindowOperator):
    """Decides from what was measured whether to retrain, and writes the decision with its evidence into the ledger."""

    operator_extra_links = (ResultLink(DECISION), ResultLink(REPORT))

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """The decision."""
        from ml.jobs.monitor import decide

        decision = decide(settings, self.window)
        self.links = {DECISION: decision_url(self.model, decision.id), REPORT: report_url(self.model, self.window)}
        reasons = {f"reason {number}": reason for number, reason in enumerate(decision.reasons, 1)}
        self.say(f"{'RETRAIN' if decision.retrain else 'do not retrain'} ({decision.state})", {"decision": decision.id, **reasons})
        return decision.model_dump(mode="json")


class KeepHouse(JobOperator):
    """Writes the page of the model's history anew, and removes reports that are older than `monitoring.keep_reports`.

    A store that does not answer is logged and fails nothing: the next look does both again.
    """

    operator_extra_links = (ResultLink(HISTORY),)

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """Where the page is, and what was removed."""
        from ml.jobs.housekeeping import keep_house

        kept = keep_house(settings, self.model)
        if kept.page is None:
            self.log.error("the history page could not be written: the store of the reports did not answer; the next look tries again")
        else:
            self.links[HISTORY] = report_url(self.model, "history")
        gone = kept.removed
        removed = {} if gone is None else {"pages": gone.pages, "snapshots": gone.snapshots}
        self.say(
            "the history page is current",
            {"history": self.links.get(HISTORY), **{f"removed {name}": found for name, found in removed.items()}},
        )
        return kept.model_dump(mode="json")
