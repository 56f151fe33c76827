"""The declaration of one model, and the rules that hold between its parts."""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import StringConstraints, model_validator

from ml.spec.data import RESERVED_COLUMNS, Data, Features
from ml.spec.replay import Replay
from ml.spec.rules import METRICS, Monitoring, Promotion, Retraining
from ml.spec.training import Candidate, Ensemble, Evaluation, Training
from ml.spec.types import Column, Declared, Duration, Name, Scalar


class ModelSpec(Declared):
    """One declared thing that predicts."""

    model: Name
    """The name: the same as the folder's."""
    description: str = ""
    owner: Annotated[str, StringConstraints(min_length=1)] = "perennial"
    """Shown as the owner of the DAGs."""
    task: Literal["binary", "multiclass", "regression"]
    target: Column
    positive: Scalar | None = None
    """The value of the target that a binary model predicts the probability of."""
    time: Column | None = None
    """When a row happened: makes splits and windows follow time."""
    id: Column | None = None
    """What identifies a row: joins late labels to predictions."""
    group: Column | None = None
    """Whom a row is about (a customer, a machine): the same one never stands on both sides of a split, and counts once in tests."""
    label_delay: Duration | None = None
    """How old a row must be (by `time`, else by its arrival) before its label is final.

    Younger rows are neither trained on nor judged with: labels that come early are not like those that come late.
    """
    features: Features
    data: Data
    training: Training
    evaluation: Evaluation = Evaluation()
    promotion: Promotion = Promotion()
    monitoring: Monitoring = Monitoring()
    retraining: Retraining = Retraining()
    replay: Replay = Replay(schedule=None)

    @model_validator(mode="after")
    def _columns_are_clear(self) -> Self:
        listed: dict[str, str] = {}
        for kind in ("numeric", "categorical", "text", "datetime", "ignore"):
            for column in getattr(self.features, kind):
                if column in listed:
                    raise ValueError(f"features: column {column!r} stands in {listed[column]} and in {kind}; keep one")
                listed[column] = kind
        if not self.features.used:
            raise ValueError("features: no column is used; name at least one in numeric, categorical, text or datetime")
        for key in ("target", "id", "group"):
            column = getattr(self, key)
            if column in self.features.used:
                raise ValueError(f"{key}: {column!r} is also a feature; take it out of features.{listed[column]}")
        folded: dict[str, str] = {}
        for column in self.columns:
            if column.casefold() in RESERVED_COLUMNS:
                raise ValueError(f"features: the column name {column!r} is kept for Perennial; rename the column in the deliveries")
            if (other := folded.setdefault(column.casefold(), column)) != column:
                raise ValueError(f"features: columns {other!r} and {column!r} differ only by case; rename one in the deliveries")
        return self

    @model_validator(mode="after")
    def _task_is_clear(self) -> Self:
        if self.task == "binary" and self.positive is None:
            raise ValueError(f"positive: a binary model needs the value of {self.target!r} that counts as positive")
        if self.task != "binary" and self.positive is not None:
            raise ValueError("positive: only a binary model has one; take it out, or write task: binary")
        if self.promotion.metric is not None and self.promotion.metric not in METRICS[self.task]:
            raise ValueError(f"promotion.metric: for {self.task} choose one of {', '.join(METRICS[self.task])}")
        if self.retraining.cost is not None:
            self.retraining.cost.check(self.metric)
        if self.training.validation_share + self.training.test_share > 0.8:
            raise ValueError("training: validation_share and test_share leave less than a fifth of the rows to fit on")
        return self

    @model_validator(mode="after")
    def _training_is_clear(self) -> Self:
        candidates = [candidate.name for candidate in self.training.candidates]
        names = [*candidates, *(ensemble.name for ensemble in self.training.ensembles)]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"training.candidates: the name {doubled[0]!r} stands twice; give each its own")
        for ensemble in self.training.ensembles:
            if unknown := sorted({*ensemble.members} - {*candidates}):
                raise ValueError(f"training.ensembles: {ensemble.name!r} names {unknown[0]!r}, which is not among the candidates")
        if self.training.costs is not None and self.task != "binary":
            raise ValueError("training.costs: only a binary model has false positives and negatives; take it out")
        if self.training.threshold != "auto" and self.task != "binary":
            raise ValueError("training.threshold: only a binary model has one; take it out")
        if unknown := sorted({str(name) for name in self.promotion.floors} - {*METRICS[self.task]}):
            raise ValueError(f"promotion.floors: {unknown[0]!r} is no metric of {self.task}: {', '.join(METRICS[self.task])}")
        if self.training.calibration not in {"auto", "none"} and self.task == "regression":
            raise ValueError("training.calibration: a regression has no probabilities; take it out")
        return self

    @model_validator(mode="after")
    def _evaluation_is_clear(self) -> Self:
        for key in ("slices", "sensitive"):
            if unknown := sorted({*getattr(self.evaluation, key)} - {*self.columns}):
                raise ValueError(f"evaluation.{key}: column {unknown[0]!r} is not declared; add it to features.ignore")
        return self

    @property
    def metric(self) -> str:
        """The metric that promotion and the quality rule use."""
        defaults = {"binary": "roc_auc", "multiclass": "balanced_accuracy", "regression": "mae"}
        return self.promotion.metric or defaults[self.task]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that a delivery is expected to have, without doubles."""
        named = (self.id, self.time, self.group, *self.features.used, *self.features.ignore, self.target)
        return tuple(dict.fromkeys(column for column in named if column is not None))

    def candidate(self, name: str) -> Candidate:
        """The candidate of this name; KeyError if there is none."""
        return {candidate.name: candidate for candidate in self.training.candidates}[name]

    def ensemble(self, name: str) -> Ensemble | None:
        """The ensemble of this name, or None."""
        return {ensemble.name: ensemble for ensemble in self.training.ensembles}.get(name)

    def to_text(self) -> str:
        """The resolved declaration as canonical JSON: the same declaration gives the same text."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True, ensure_ascii=False)

    def hash(self) -> str:
        """Sixteen hex digits of the SHA-256 of `to_text()`: names this exact declaration."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()[:16]

    def learning(self) -> str:
        """Sixteen hex digits that name all that a training depends on: how it is watched, promoted, replayed and described is left out."""
        watched = {"description", "owner", "monitoring", "retraining", "promotion", "replay"}
        content = self.model_dump(mode="json", by_alias=True, exclude=watched)
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]

    def recipe(self) -> str:
        """Sixteen hex digits that name what is fitted: two declarations with the same recipe differ in rules, effort or words only."""
        effort = {"schedule", "sampler", "trials", "time_limit", "pruning", "folds", "seed", "validation_share", "test_share", "timeout"}
        content = self.model_dump(
            mode="json", by_alias=True, include={"task", "target", "positive", "time", "group", "label_delay", "features", "training"}
        )
        content["features"].pop("ignore")
        content["training"] = {key: value for key, value in content["training"].items() if key not in effort}
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The declaration that `to_text` wrote."""
        return cls.model_validate_json(text)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `model.yaml`, for editors."""
    schema = ModelSpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
