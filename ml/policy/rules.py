"""The decision: every rule is heard, also when the answer is no."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from ml.policy.causes import CAUSES
from ml.policy.conditions import CONDITIONS
from ml.policy.evidence import Evidence
from ml.policy.finding import Finding
from ml.policy.words import span
from ml.spec import Retraining

CODE_VERSION = 2
"""Of the rules' code: another one wherever the same evidence and the same declaration may get another answer."""

DecisionState = Literal["no", "recorded", "suggested", "open"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether to retrain, and what each rule said, the deciding ones first.

    `reasons` are the sentences of the rules that have something to say; `findings` are all rules.
    """

    retrain: bool
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    state: DecisionState = "no"

    def rules_json(self) -> list[dict[str, Any]]:
        """What each rule said, for the ledger."""
        return [one.to_json() for one in self.findings]


def decide(evidence: Evidence, rules: Retraining) -> Outcome:
    """Whether the evidence asks for a training: at least one cause holds, and nothing holds it back.

    `rules.mode` changes nothing in the answer, only what follows from a yes (`Outcome.state`).
    """
    causes = [rule(evidence, rules) for rule in CAUSES]
    conditions = [rule(evidence, rules) for rule in CONDITIONS]
    asked = any(cause.fired for cause in causes)
    retrain = asked and not any(condition.fired for condition in conditions)
    causes.sort(key=lambda finding: not finding.fired)
    conditions.sort(key=lambda finding: not finding.fired)
    mode = _mode(rules)
    findings = (*conditions, *causes, mode) if asked and not retrain else (*causes, *conditions, mode)
    return Outcome(retrain, tuple(one.sentence for one in findings if one.worth_saying), findings, _state(retrain, rules))


def version(rules: Retraining) -> str:
    """Names the policy: the version of its code, and twelve hex digits of what is declared."""
    text = json.dumps(rules.model_dump(mode="json"), sort_keys=True)
    return f"{CODE_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _mode(rules: Retraining) -> Finding:
    if rules.mode == "off":
        return Finding("mode", "mode", True, "retraining.mode is off: this decision is recorded and starts no training")
    if rules.mode == "suggest":
        said = f"retraining.mode is suggest: a person is asked first; without an answer within {span(rules.answer_within)} it is no"
        return Finding("mode", "mode", True, said)
    return Finding("mode", "mode", False, "retraining.mode is auto: a yes starts a training", worth_saying=False)


def _state(retrain: bool, rules: Retraining) -> DecisionState:
    if not retrain:
        return "no"
    return {"off": "recorded", "suggest": "suggested", "auto": "open"}[rules.mode]  # type: ignore[return-value]
