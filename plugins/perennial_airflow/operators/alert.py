"""Telling people: the last step of `<model>.monitor`."""

from airflow.sdk import Context

from ml.settings import Settings
from perennial_airflow.links import report_url
from perennial_airflow.operators.job import JobOperator


class SendAlerts(JobOperator):
    """Tells what has begun and what is over since the last look, through Airflow's notifiers.

    A message that cannot be delivered is logged as an error and does not fail the run: it stays due, and the next look tries again. It is
    noted as told only after it was sent, so a kill between both tells it twice. What another run is telling just now is left to it.
    """

    def job(self, settings: Settings, context: Context) -> dict[str, int]:
        """How many messages were delivered, and how many were not."""
        from ml.jobs import alerting
        from perennial_airflow.notifiers import send, shown

        found = alerting.channels(settings, self.model)
        if not found:
            raise self.skip("nobody is to be told: monitoring.alerts and PERENNIAL_ALERTS name no channel")
        counts = {"delivered": 0, "failed": 0}
        for channel in found:
            name = alerting.name_of(channel)
            for due in alerting.due(settings, self.model, channel):
                message = alerting.claimed(settings, due)
                if message is None:
                    continue
                try:
                    send(channel, shown(message, link=report_url(self.model, message.window or "history")), context)
                except Exception as error:  # whatever a notifier raises: a message is not worth a failed run
                    self.log.error("not delivered through %s, tried again at the next look: %s: %s", name, message.title, error)
                    alerting.not_told(settings, message, error=f"{type(error).__name__}: {error}")
                    counts["failed"] += 1
                else:
                    alerting.told(settings, message)
                    self.say(f"told through {name}: {message.title}", {"text": message.text})
                    counts["delivered"] += 1
        if not any(counts.values()):
            raise self.skip("nothing new to tell")
        return counts
