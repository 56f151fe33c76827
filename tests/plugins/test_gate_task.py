"""The task of the gate takes the next best candidate where the best one fails, and its log says so."""

import warnings
from types import SimpleNamespace

from perennial_airflow.operators.train import GateChallenger

from ml.jobs import train as jobs
from ml.settings import Settings
from tests.jobs.test_contenders import Fussy, declared, of
from tests.training.worlds import LOGISTIC, with_mlflow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # as it is imported, skops asks every module for names, also Airflow's old ones, which warn
    import skops.io  # noqa: F401


class Listened(GateChallenger):
    """Keeps what it says, beside its log."""

    told = ""

    def say(self, headline: str, facts: dict[str, object] | None = None) -> None:
        super().say(headline, facts)
        self.told += f"{headline} {facts}"


def test_the_task_of_the_gate_takes_the_next_best_one_and_says_why(settings: Settings) -> None:
    home, run = with_mlflow(settings), "shop.train/manual"
    declared(home, of(Fussy), LOGISTIC)
    jobs.freeze(home, "shop", run=run, trigger="manual")
    for name in ("fussy", "logistic"):
        jobs.tune(home, run=run, candidate=name)
    step = Listened(task_id="gate", model="shop")
    verdict = step.job(home, {"dag_run": SimpleNamespace(dag_id="shop.train", run_id="manual")})
    assert verdict["candidate"] == "logistic"
    assert step.told.startswith("left out: candidate 'fussy'")
    assert "'candidate fussy': \"left out: candidate 'fussy'" in step.told
