"""What the steps that wait for a person have in common."""

from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowSkipException

from ml.settings import Settings
from perennial_airflow.edge import error_edge
from perennial_airflow.operators.job import JobOperator

if TYPE_CHECKING:
    from ml.jobs.approval import Question


class AskingOperator(ApprovalOperator):
    """Asks a person in Airflow. Subclasses write `ask`, and `answered`, which acts upon either answer or writes it down.

    While it waits it is `awaiting_input`: no worker, no slot. Without an answer in time the answer is no. Unlike after an
    `ApprovalOperator` of Airflow's own a "no" skips nothing.
    """

    ui_color = JobOperator.ui_color

    def __init__(self, *, model: str, subject: str, **kwargs: Any) -> None:
        super().__init__(subject=subject, defaults=ApprovalOperator.REJECT, **kwargs)
        self.model = model

    def ask(self, settings: Settings, context: Context) -> "Question | dict[str, Any]":
        """What to ask; or what the task returns where that was answered before this try; or `nobody`."""
        raise NotImplementedError

    def answered(self, settings: Settings, context: Context, *, approved: bool, by: str | None) -> dict[str, Any] | None:
        """Writes the answer down; `by` is None where nobody has answered in time. Returns what later tasks need."""
        raise NotImplementedError

    def nobody(self, reason: str | None) -> NoReturn:
        """Nobody need be asked: the task is skipped."""
        self.log.info("nobody is asked: %s", reason)
        raise AirflowSkipException(reason)

    def execute(self, context: Context) -> Any:
        """Asks, and lets the task wait; `execute_complete` goes on."""
        with error_edge():
            found = self.ask(Settings.from_env(), context)
        if isinstance(found, dict):
            return found
        self.subject, self.body, self.response_timeout = found.subject, found.body, found.timeout
        self.log.info("%s Without an answer within %s the answer is no.\n\n%s", self.subject, self.response_timeout, self.body)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Goes on with the answer."""
        given = HITLOperator.execute_complete(self, context, event)
        approved, by = given["chosen_options"] == [ApprovalOperator.APPROVE], person(given["responded_by_user"])
        with error_edge():
            return self.answered(Settings.from_env(), context, approved=approved, by=by)


def person(user: Any) -> str | None:
    """Who answered, as the login calls them, with the id where that is another one; None where nobody did."""
    if user is None:
        return None
    name, key = str(user.get("name") or ""), str(user.get("id") or "")
    return name if name == key or not key else f"{name} ({key})".strip()
