"""The step of `<model>.confirm` that waits for a person."""

from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from ml.settings import Settings
from perennial_airflow.operators.asking import AskingOperator
from perennial_airflow.operators.job import training_run

if TYPE_CHECKING:
    from ml.jobs.approval import Question


class ConfirmRetraining(AskingOperator):
    """Asks whether a training that the policy suggests shall start.

    Whatever is answered is written into the ledger; `announce` acts upon it. How long the question stands comes from the ledger, not
    from this file.
    """

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(model=model, subject=f"Shall {model} be trained again?", **kwargs)

    def ask(self, settings: Settings, context: Context) -> "Question | dict[str, Any]":
        """About the suggestion that stands."""
        from ml.jobs.suggestion import ask

        found = ask(settings, self.model, run=training_run(context))
        return found.question or self.nobody(found.reason)

    def answered(self, settings: Settings, context: Context, *, approved: bool, by: str | None) -> dict[str, Any] | None:
        """Writes the answer into the ledger."""
        from ml.jobs.suggestion import answer

        said = answer(settings, run=training_run(context), approved=approved, by=by)
        if said is None:
            self.log.info("the suggestion stands no longer: it was answered elsewhere, or its time was over")
            return None
        self.log.info("%s: %s by %s", said.decision, said.state, said.by or "nobody: the time is over")
        return said.model_dump()
