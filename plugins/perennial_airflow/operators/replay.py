"""The steps of `<model>.replay`."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from ml.errors import NoData
from ml.settings import Settings
from perennial_airflow.links import REPLAY, ResultLink, report_url
from perennial_airflow.operators.asking import AskingOperator
from perennial_airflow.operators.job import JobOperator

if TYPE_CHECKING:
    from ml.jobs.approval import Question

_TOLD = 10
"""So often a try says how far it is."""


class ReplayHistory(JobOperator):
    """Plays retraining policies over the model's own history, as `perennial replay` does.

    What was fitted is kept: another try, also after a time-out, goes on where the last one was.
    """

    operator_extra_links = (ResultLink(REPLAY),)

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """The moment that names the replay, and what it recommends."""
        from ml.jobs.replay import replay
        from ml.jobs.replaying.losses import Watcher

        try:
            facts = replay(settings, self.model, watcher=Watcher(say=self.say, advance=_Steps(self).advance))
        except NoData as error:
            raise self.skip(f"the history cannot be replayed yet: {error}") from error
        if facts.html is not None:
            self.links[REPLAY] = report_url(self.model, "replay")
        chosen, touched = facts.chosen, facts.affected.model_dump()
        told: dict[str, object] = {
            "windows": f"{facts.windows}, policies chosen on {facts.tuned_on}, judged on {facts.judged_on}",
            "recommended": f"{chosen.recommended.name}: {chosen.recommended.total:.3f} with {chosen.recommended.retrainings} retrainings",
            "tuned calendar": f"{chosen.tuned_calendar.name}: {chosen.tuned_calendar.total:.3f}",
            "never": f"{chosen.never.total:.3f}",
            "treated otherwise": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in touched.items() if count),
            "page": self.links.get(REPLAY),
        }
        self.say(facts.recommendation, told)
        return {"at": facts.at.isoformat(), "recommended": chosen.recommended.name, "told": chosen.is_told, "html": facts.html}


class _Steps:
    """Says a tenth of the way at a time: thousands of models must leave the log readable."""

    def __init__(self, operator: JobOperator) -> None:
        self.operator = operator
        self.told = -1

    def advance(self, done: int, total: int) -> None:
        """Of the models that are to be fitted."""
        step = done * _TOLD // total if total else 0
        if step > self.told:
            self.told = step
            self.operator.say(f"{done} of {total} models")


class SuggestPolicy(AskingOperator):
    """Asks whether the recommended policy shall be declared, where it would have cost less than the declared one.

    The answer is written down; nothing here writes `model.yaml`, which is the team's.
    """

    template_fields = (*AskingOperator.template_fields, "at")
    operator_extra_links = (*AskingOperator.operator_extra_links, ResultLink(REPLAY))

    def __init__(self, *, model: str, at: Any, **kwargs: Any) -> None:
        super().__init__(model=model, subject=f"Shall {model} be retrained by another policy?", **kwargs)
        self.at = at
        self.links: dict[str, str] = {}

    def ask(self, settings: Settings, context: Context) -> "Question | dict[str, Any]":  # noqa: ARG002
        """About what the replay recommends."""
        from ml.jobs.replaying.suggesting import ask

        self.links[REPLAY] = report_url(self.model, "replay")
        found = ask(settings, self.model, at=datetime.fromisoformat(self.at["at"]), page=self.links[REPLAY])
        return found.question or self.nobody(found.reason)

    def answered(self, settings: Settings, context: Context, *, approved: bool, by: str | None) -> dict[str, Any]:  # noqa: ARG002
        """Writes the answer down, and says what to do after a yes."""
        from ml.jobs.replaying.suggesting import answer

        self.links[REPLAY] = report_url(self.model, "replay")
        said = answer(settings, self.model, at=datetime.fromisoformat(self.at["at"]), approved=approved, by=by)
        if not said.approved:
            self.log.info("no, by %s: model.yaml stays as it is", said.by or "nobody: the time is over")
        elif not said.diff:
            self.log.info("yes, by %s: model.yaml declares it already", said.by)
        else:
            self.log.info("yes, by %s. Nothing was changed: `%s`, in the team's repository, writes\n\n%s", said.by, said.command, said.diff)
        return said.model_dump()
