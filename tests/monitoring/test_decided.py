"""What became of a decision, in words."""

from typing import Any

import pytest

from ml.monitoring.decided import sentence
from tests.state.made import NOW, decision, window

WON = {"version": 3, "promoted": True, "verdict": "It wins."}


@pytest.mark.parametrize(
    ("state", "more", "said"),
    [
        ("no", {}, "No training was asked for."),
        ("recorded", {}, "Retraining is switched off, so nothing was started."),
        ("suggested", {"until": NOW}, "A person is asked until 2026-01-01 00:00 UTC; without an answer it is no."),
        ("declined", {"answer": {"approved": False, "by": "ada"}}, "ada said no."),
        ("expired", {}, "Nobody answered in time, so the answer is no."),
        ("open", {}, "It waits for the next run of the training."),
        ("open", {"answer": {"approved": True, "by": "ada"}}, "It waits for the next run of the training (ada said yes)."),
        ("claimed", {"claimed_by": "run"}, "A training works on it: run."),
        ("done", {"outcome": WON}, "That made version 3, which became champion. It wins."),
        ("done", {"outcome": {"version": 4}}, "That made version 4, which did not replace the champion."),
        ("done", {}, "The training has ended without a new version."),
        ("superseded", {"outcome": {"superseded_by": "d2"}}, "Something newer took its place: d2."),
        (
            "superseded",
            {"outcome": {"reason": "version 3 has become champion"}},
            "Something newer took its place: version 3 has become champion.",
        ),
        ("failed", {"tries": 3, "outcome": {"cure": "Mend it."}}, "The training failed 3 times. Mend it."),
        ("done", {"kind": "rollback", "outcome": {"rolled_back": 3, "champion": 2}}, "Version 3 was taken back, version 2 serves again."),
    ],
)
def test_what_became_of_a_decision_is_one_sentence(state: str, more: dict[str, Any], said: str) -> None:
    assert sentence(decision(window(), state=state, **more)) == said
