"""The step of `<model>.train` that waits for a person."""

from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from ml.settings import Settings
from perennial_airflow.operators.asking import AskingOperator
from perennial_airflow.operators.job import training_run

if TYPE_CHECKING:
    from ml.jobs.approval import Question


class ApproveChallenger(AskingOperator):
    """Asks whether a challenger that has won may become champion, where the frozen declaration says so.

    Either answer is written down, and `promote` acts upon it: a "no" also closes the training. What is asked, and for how long, comes
    from the frozen declaration, not from this file.
    """

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(model=model, subject=f"Shall the challenger of {model} become champion?", **kwargs)

    def ask(self, settings: Settings, context: Context) -> "Question | dict[str, Any]":
        """About the winner of this run."""
        from ml.jobs.approval import ask

        found = ask(settings, run=training_run(context))
        if found.answer is not None:
            self.log.info("answered before this try: %s", found.answer)
            return found.answer.model_dump()
        return found.question or self.nobody(found.reason)

    def answered(self, settings: Settings, context: Context, *, approved: bool, by: str | None) -> dict[str, Any]:
        """Writes the answer down."""
        from ml.jobs.approval import answer

        said = answer(settings, run=training_run(context), approved=approved, by=by)
        self.log.info("%s by %s", "approved" if said.approved else "not approved", said.by or "nobody: the time is over")
        return said.model_dump()
