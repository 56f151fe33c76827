"""The step of `<model>.train` that waits for a person."""

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from ml.settings import Settings
from perennial_airflow.edge import error_edge
from perennial_airflow.operators.job import JobOperator, training_run


class ApproveChallenger(ApprovalOperator):
    """Asks a person in Airflow whether a challenger that has won may become champion, where the frozen declaration says so.

    While it waits it is `awaiting_input`: no worker, no slot. Without an answer in time the answer is no. Either answer is written
    down, and `promote` acts upon it: a "no" also closes the training, so `promote` is not skipped, as it would be after an
    `ApprovalOperator` of Airflow's own. What is asked, and for how long, comes from the frozen declaration, not from this file.
    """

    ui_color = JobOperator.ui_color

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(subject=f"Shall the challenger of {model} become champion?", defaults=ApprovalOperator.REJECT, **kwargs)
        self.model = model

    def execute(self, context: Context) -> Any:
        """Asks, and lets the task wait; `execute_complete` goes on. An answer that was given before this try is returned."""
        with error_edge():
            from ml.jobs.approval import ask

            found = ask(Settings.from_env(), run=training_run(context))
        if found.answer is not None:
            self.log.info("answered before this try: %s", found.answer)
            return found.answer.model_dump()
        if found.question is None:
            self.log.info("nobody is asked: %s", found.reason)
            raise AirflowSkipException(found.reason)
        self.subject, self.body, self.response_timeout = found.question.subject, found.question.body, found.question.timeout
        self.log.info("%s Without an answer within %s the answer is no.\n\n%s", self.subject, self.response_timeout, self.body)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Writes the answer down."""
        given = HITLOperator.execute_complete(self, context, event)
        with error_edge():
            from ml.jobs.approval import answer

            approved = given["chosen_options"] == [ApprovalOperator.APPROVE]
            said = answer(Settings.from_env(), run=training_run(context), approved=approved, by=person(given["responded_by_user"]))
        self.log.info("%s by %s", "approved" if said.approved else "not approved", said.by or "nobody: the time is over")
        return said.model_dump()


def person(user: Any) -> str | None:
    """Who answered, as the login calls them, with the id where that is another one; None where nobody did."""
    if user is None:
        return None
    name, key = str(user.get("name") or ""), str(user.get("id") or "")
    return name if name == key or not key else f"{name} ({key})".strip()
