"""The declaration of a model: what `dags/<model>/model.yaml` may say."""

from ml.spec.alerts import ALERT_KINDS, AlertChannel
from ml.spec.amounts import Persistence, Rate
from ml.spec.data import RESERVED_COLUMNS, Csv, Data, Features, Files, Sql
from ml.spec.model import ModelSpec, json_schema
from ml.spec.replay import LabelDelay, Replay, Span, WindowSpan
from ml.spec.rules import LOWER_IS_BETTER, MEASURED, METRICS, Cost, DriftMethods, Metric, Monitoring, Promotion, Regret, Retraining
from ml.spec.training import Candidate, Choice, Costs, Ensemble, Evaluation, FloatRange, IntRange, Training
from ml.spec.types import Duration, Name
from ml.spec.voting import AnyVoter, CalendarVoter, NeverVoter, PaybackVoter, RegretVoter, Vote

__all__ = [
    "ALERT_KINDS",
    "LOWER_IS_BETTER",
    "MEASURED",
    "METRICS",
    "RESERVED_COLUMNS",
    "AlertChannel",
    "AnyVoter",
    "CalendarVoter",
    "Candidate",
    "Choice",
    "Cost",
    "Costs",
    "Csv",
    "Data",
    "DriftMethods",
    "Duration",
    "Ensemble",
    "Evaluation",
    "Features",
    "Files",
    "FloatRange",
    "IntRange",
    "LabelDelay",
    "Metric",
    "ModelSpec",
    "Monitoring",
    "Name",
    "NeverVoter",
    "PaybackVoter",
    "Persistence",
    "Promotion",
    "Rate",
    "Regret",
    "RegretVoter",
    "Replay",
    "Retraining",
    "Span",
    "Sql",
    "Training",
    "Vote",
    "WindowSpan",
    "json_schema",
]
