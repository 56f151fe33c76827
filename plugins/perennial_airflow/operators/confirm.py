"""The step of `<model>.confirm` that waits for a person."""

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from ml.settings import Settings
from perennial_airflow.edge import error_edge
from perennial_airflow.operators.approve import person
from perennial_airflow.operators.job import JobOperator, training_run


class ConfirmRetraining(ApprovalOperator):
    """Asks a person in Airflow whether a training that the policy suggests shall start.

    While it waits it is `awaiting_input`: no worker, no slot. Without an answer in time the answer is no. Whatever is answered is
    written into the ledger; `announce` acts upon it. How long the question stands comes from the ledger, not from this file.
    """

    ui_color = JobOperator.ui_color

    def __init__(self, *, model: str, **kwargs: Any) -> None:
        super().__init__(subject=f"Shall {model} be trained again?", defaults=ApprovalOperator.REJECT, **kwargs)
        self.model = model

    def execute(self, context: Context) -> Any:
        """Asks, and lets the task wait; `execute_complete` goes on."""
        with error_edge():
            from ml.jobs.suggestion import ask

            found = ask(Settings.from_env(), self.model, run=training_run(context))
        if found.question is None:
            self.log.info("nobody is asked: %s", found.reason)
            raise AirflowSkipException(found.reason)
        self.subject, self.body, self.response_timeout = found.question.subject, found.question.body, found.question.timeout
        self.log.info("%s Without an answer within %s the answer is no.\n\n%s", self.subject, self.response_timeout, self.body)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Writes the answer into the ledger."""
        given = HITLOperator.execute_complete(self, context, event)
        with error_edge():
            from ml.jobs.suggestion import answer

            approved = given["chosen_options"] == [ApprovalOperator.APPROVE]
            by = person(given["responded_by_user"])
            said = answer(Settings.from_env(), run=training_run(context), approved=approved, by=by)
        if said is None:
            self.log.info("the suggestion stands no longer: it was answered elsewhere, or its time was over")
            return None
        self.log.info("%s: %s by %s", said.decision, said.state, said.by or "nobody: the time is over")
        return said.model_dump()
