"""From a declared channel to a notifier of Airflow, and what it is told. Whatever a notifier needs to be secret, its connection has."""

from dataclasses import dataclass
from html import escape
from pkgutil import resolve_name
from typing import Any

from airflow.sdk import BaseNotifier, Connection, Context

from ml.errors import OperatorError
from ml.jobs.alerts import Message
from ml.spec import AlertChannel

_SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
_HTTP = "airflow.providers.http.notifications.http.HttpNotifier"
_SLACK_WEBHOOK = "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier"
_SLACK = "airflow.providers.slack.notifications.slack.SlackNotifier"
_APPRISE = "airflow.providers.apprise.notifications.apprise.AppriseNotifier"
_BY_TYPE = {
    "smtp": (_SMTP, "smtp_conn_id"),
    "http": (_HTTP, "http_conn_id"),
    "slackwebhook": (_SLACK_WEBHOOK, "slack_webhook_conn_id"),
    "slack": (_SLACK, "slack_conn_id"),
    "apprise": (_APPRISE, "apprise_conn_id"),
}
"""Type of a connection → the notifier that uses such connections, and the parameter that names one."""
_TEXTS: dict[str, dict[str, Any]] = {
    _SMTP: {"subject": "{{ alert.title }}", "html_content": "{{ alert.html }}"},
    _HTTP: {
        "json": {
            "text": "{{ alert.slack }}",
            "title": "{{ alert.title }}",
            "kind": "{{ alert.kind }}",
            "state": "{{ alert.state }}",
            "link": "{{ alert.link }}",
        }
    },
    _SLACK_WEBHOOK: {"text": "{{ alert.slack }}"},
    _SLACK: {"text": "{{ alert.slack }}"},
    _APPRISE: {"title": "{{ alert.title }}", "body": "{{ alert.text }}"},
}
"""What these notifiers are told where the declaration does not say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a notifier's templates see as `alert`. `state`: `began` or `recovered`; `link` leads to the report.

    `text` is plain, `html` escaped for e-mail, `slack` so that nothing in it is a command to Slack.
    """

    kind: str
    state: str
    title: str
    body: str
    link: str

    @property
    def text(self) -> str:
        """Title left out: what happened, and the link."""
        return f"{self.body}\n{self.link}"

    @property
    def html(self) -> str:
        """The same for an e-mail."""
        link = escape(self.link)
        return f'<p>{escape(self.body).replace(chr(10), "<br>")}</p><p><a href="{link}">{link}</a></p>'

    @property
    def slack(self) -> str:
        """The title too, in one text. A name like `<!channel>` in the data calls nobody."""
        return escape(f"{self.title}\n{self.body}\n{self.link}", quote=False)


def shown(message: Message, *, link: str) -> Alert:
    """A message as notifiers see it."""
    state = "recovered" if message.is_end else "began"
    return Alert(kind=message.kind, state=state, title=message.title, body=message.text, link=link)


def send(channel: AlertChannel, alert: Alert, context: Context) -> None:
    """Tells it through the channel; whatever the notifier raises goes on.

    Raises:
        OperatorError: There is no such notifier, or no notifier for this type of connection.
    """
    _notifier(channel)({**context, "alert": alert})


def _notifier(channel: AlertChannel) -> BaseNotifier:
    named: dict[str, Any] = {}
    path = channel.notifier
    if path is None:
        assert channel.connection is not None, "a channel has one of both"
        kind = Connection.get(channel.connection).conn_type
        if kind not in _BY_TYPE:
            raise OperatorError(
                f"the connection {channel.connection} is of type {kind}, for which no notifier is known (only {', '.join(_BY_TYPE)}): "
                "name a class in monitoring.alerts (notifier)"
            )
        path, parameter = _BY_TYPE[kind]
        named = {parameter: channel.connection}
    made = _class(path)(**{**_TEXTS.get(path, {}), **named, **channel.params})
    assert isinstance(made, BaseNotifier)
    return made


def _class(path: str) -> type[BaseNotifier]:
    try:
        found = resolve_name(path)
    except (ImportError, AttributeError) as error:
        words = path.split(".")
        package = f"; install apache-airflow-providers-{words[2]}" if path.startswith("airflow.providers.") else ""
        raise OperatorError(f"the notifier {path} cannot be loaded: {error}{package} where Airflow's workers run") from error
    if not (isinstance(found, type) and issubclass(found, BaseNotifier)):
        raise OperatorError(f"{path} is no notifier: it does not extend airflow.sdk.BaseNotifier")
    return found
