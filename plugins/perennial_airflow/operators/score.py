"""The step of `<model>.score`."""

from typing import Any

from airflow.sdk import Context

from ml.settings import Settings
from ml.wording import counted
from perennial_airflow.links import LINEAGE, ResultLink, lineage_url
from perennial_airflow.operators.job import JobOperator


class ScoreNewRows(JobOperator):
    """Adds the champion's predictions for accepted rows that it has not scored yet."""

    operator_extra_links = (ResultLink(LINEAGE),)

    def job(self, settings: Settings, context: Context) -> dict[str, Any]:  # noqa: ARG002
        """What was scored."""
        from ml.jobs.score import score_new

        result = score_new(settings, self.model)
        if result.version is not None:
            self.links[LINEAGE] = lineage_url(self.model, result.version)
        if not result.batches:
            raise self.skip(f"nothing to score: {result.reason or f'version {result.version} has scored all accepted rows'}")
        self.say(
            f"{counted(result.rows, 'row')} of {counted(result.batches, 'batch', plural='batches')} scored by version {result.version}"
        )
        return result.model_dump(mode="json")
