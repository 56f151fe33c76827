"""Telling people through Airflow's notifiers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseNotifier
from airflow.sdk.exceptions import AirflowSkipException
from perennial_airflow import notifiers
from perennial_airflow.notifiers import Alert, send
from perennial_airflow.operators.alert import SendAlerts

from ml.settings import Settings
from ml.spec import AlertChannel
from ml.state import State, batches
from ml.state.records import Batch
from tests.jobs import test_monitor

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HERE = "tests.plugins.test_alert"


class FileNotifier(BaseNotifier):
    """Appends what it is told to a file."""

    template_fields = ("text",)

    def __init__(self, *, path: str, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path, self.text = path, text

    def notify(self, context: Any) -> None:
        with Path(self.path).open("a", encoding="utf-8") as file:
            file.write(self.text + "\n")


@contextmanager
def listening(statuses: list[int]) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A real server on this machine; it answers with one status after the other, and then with 200."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(statuses.pop(0) if statuses else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, heard
        server.shutdown()


def declare(settings: Settings, *channels: dict[str, Any]) -> None:
    test_monitor.declare(settings, monitoring={"alerts": list(channels)})


def quarantined(settings: Settings, status: str = "quarantined") -> None:
    batch = Batch(
        id="b" * 32, model="loans", source="<!channel>.csv", status=status, rows=1, failing_rows=1, reasons=["negative {{ age }}"],
        arrived_at=NOW, decided_at=NOW,
    )  # fmt: skip
    batches.save(State.open(settings), batch)


def run(settings: Settings) -> dict[str, int]:
    found: dict[str, int] = SendAlerts(task_id="alert", model="loans").job(settings, {})  # type: ignore[typeddict-item]
    return found


def test_a_notifier_that_is_named_by_its_path_is_told_once_and_told_again_when_it_is_over(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "told"
    declare(settings, {"notifier": f"{HERE}.FileNotifier", "params": {"path": str(path), "text": "{{ alert.state }} {{ alert.title }}"}})
    quarantined(settings)
    assert run(settings) == {"delivered": 1, "failed": 0}
    with pytest.raises(AirflowSkipException, match="nothing new"):
        run(settings)
    quarantined(settings, "accepted")
    assert run(settings)["delivered"] == 1
    assert path.read_text().splitlines() == [
        "began loans: a batch is in quarantine",
        "recovered loans: recovered: a batch is in quarantine",
    ]


def test_a_message_that_is_refused_fails_nothing_and_is_tried_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening([503]) as (port, heard):
        monkeypatch.setenv("AIRFLOW_CONN_OPS", json.dumps({"conn_type": "http", "host": "127.0.0.1", "port": port}))
        other = {"notifier": f"{HERE}.FileNotifier", "params": {"path": str(tmp_path / "told"), "text": "{{ alert.text }}"}}
        declare(settings, {"connection": "ops"}, other)
        quarantined(settings)
        assert run(settings) == {"delivered": 1, "failed": 1}, "the other channel is told all the same"
        assert run(settings) == {"delivered": 1, "failed": 0}
    assert len(heard) == 2
    link = heard[1]["link"]
    assert link.endswith("/perennial/reports/loans/history")
    told = f"loans: a batch is in quarantine\n&lt;!channel&gt;.csv (bbbbbbbbbbbb): negative {{{{ age }}}}.\n{link}"
    assert heard[1] == {"text": told, "title": "loans: a batch is in quarantine", "kind": "quarantine", "state": "began", "link": link}
    assert len((tmp_path / "told").read_text().strip().splitlines()) == 2


def test_without_a_channel_nobody_is_told(settings: Settings) -> None:
    declare(settings)
    with pytest.raises(AirflowSkipException, match="name no channel"):
        run(settings)


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ({"notifier": "json.JSONDecoder"}, "is no notifier"),
        ({"notifier": "tests.nothing.X"}, "cannot be loaded"),
        ({"notifier": "airflow.providers.nobody.A"}, "install apache-airflow-providers-nobody"),
        ({"connection": "files"}, "no notifier is known"),
    ],
)
def test_a_class_that_is_no_notifier_is_an_error_of_that_channel_only(
    settings: Settings, channel: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FILES", json.dumps({"conn_type": "fs"}))
    declare(settings, channel)
    quarantined(settings)
    assert run(settings) == {"delivered": 0, "failed": 1}
    with State.open(settings).begin() as connection:
        assert said in str(connection.exec_driver_sql("SELECT error FROM alerts").scalar())


def test_the_type_of_a_connection_names_the_notifier(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Alert(kind="drift", state="began", title="t", body="<b>", link="http://a/b")
    monkeypatch.setenv(
        "AIRFLOW_CONN_MAIL", json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": 1, "extra": {"disable_ssl": True}})
    )
    with pytest.raises(ConnectionRefusedError):
        send(AlertChannel(connection="mail", params={"to": "a@example.org", "from_email": "b@example.org"}), told, {})  # type: ignore[typeddict-item]
    assert told.html == '<p>&lt;b&gt;</p><p><a href="http://a/b">http://a/b</a></p>'


class Chat(BaseNotifier):
    """In the place of Slack's notifiers, whose package is not installed here: keeps what it is told."""

    template_fields = ("named",)

    def __init__(self, **named: str) -> None:
        super().__init__()
        self.named = named

    def notify(self, context: Any) -> None:
        context["heard"].append(self.named)


@pytest.mark.parametrize(
    ("kind", "package", "parameter"),
    [("slackwebhook", "slack_webhook.SlackWebhookNotifier", "slack_webhook_conn_id"), ("slack", "slack.SlackNotifier", "slack_conn_id")],
)
def test_slack_is_told_one_text_in_which_nothing_is_a_command(
    kind: str, package: str, parameter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[dict[str, str]] = []
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": kind}))
    monkeypatch.setattr(notifiers, "_class", {f"airflow.providers.slack.notifications.{package}": Chat}.__getitem__)
    told = Alert(kind="drift", state="began", title="t", body="<!channel>", link="http://a/b")
    send(AlertChannel(connection="chat"), told, {"heard": heard})  # type: ignore[typeddict-unknown-key]
    assert heard == [{parameter: "chat", "text": "t\n&lt;!channel&gt;\nhttp://a/b"}]
