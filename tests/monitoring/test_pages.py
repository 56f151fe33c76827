"""What the pages say in plain words, case by case, and that names from the data stay text."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ml.monitoring.concept import ConceptDrift
from ml.monitoring.history.facts import History, Seen, Value
from ml.monitoring.pages import rendered, standing, words
from ml.monitoring.pages.facts import BatchFacts, Comparison, IndexRow, ModelFacts, VersionFacts, WindowFacts
from ml.monitoring.pages.frame import STILL, Way, Ways, alone, framed, means
from ml.state.measured import Alarmed
from ml.state.records import Decision, Drift, Promotion

NOW = datetime(2026, 5, 20, tzinfo=UTC)
EVIL = "</script><script>alert(1)</script>"
GOOD = Value(metric="roc_auc", value=0.81, low=0.79, high=0.83, rows=900)
FRESH = ConceptDrift(yardstick="fresh", metric="roc_auc", now=0.81, usual=0.82, worse_by=0.01, standard_error=0.01, units=900, p=0.2)


def decision(retrain: bool = False, state: str = "no", **changes: Any) -> Decision:
    rules = [
        {"rule": "drift_share", "role": "asks", "fired": retrain, "reason": "9 of 10 columns drifted"},
        {"rule": "cooldown", "role": "holds_back", "fired": False, "reason": "no cooldown"},
    ]
    facts: dict[str, Any] = {"rules": rules, "policy": "abc", "reasons": ["0 of 10 columns drifted"], **changes}
    return Decision(
        id="d", model="loans", window="loans-000003", retrain=retrain, evidence={}, report_url=None,
        state=state, decided_at=NOW, **facts,
    )  # fmt: skip


def seen(number: int = 3, **changes: Any) -> Seen:
    known: dict[str, Any] = {
        "rows": 1_000, "labelled_rows": 900, "is_measured": True, "columns": 10, "drifted": 0, "qualities": (GOOD,), "concept": FRESH,
        "decision": decision(), "champion": 2,
    }  # fmt: skip
    return Seen(id=f"loans-{number:06d}", number=number, at=NOW + timedelta(days=number), **{**known, **changes})


def window(found: Seen, **changes: Any) -> WindowFacts:
    known: dict[str, Any] = {"metric": "roc_auc", "is_lower_better": False, "drift_limit": 0.3, "champion": 2}
    return WindowFacts(model="loans", seen=found, **{**known, **changes})


def history(*windows: Seen, **changes: Any) -> History:
    known: dict[str, Any] = {"changes": (), "decisions": (), "champion": 2, "drift_limit": 0.3}
    return History(
        model="loans", metric="roc_auc", is_lower_better=False, since=NOW, until=NOW + timedelta(days=90), windows=windows, columns=(),
        **{**known, **changes},
    )  # fmt: skip


def said(found: Seen, **changes: Any) -> str:
    return " ".join(words.of_window(window(found, **changes)).sentences)


ALARMS = (Alarmed("age", "numeric"), Alarmed("job", "categorical"), Alarmed("prediction", "prediction"))
DRIFTED = seen(drifted=2, alarms=ALARMS)
ASKED = seen(drifted=9, alarms=ALARMS, decision=decision(retrain=True, state="open"))


def test_a_calm_window_with_good_labels_is_all_right() -> None:
    meaning = words.of_window(window(seen()))
    assert (meaning.tone, meaning.headline) == ("good", "The model looks all right.")
    text = " ".join(meaning.sentences)
    assert "None of the 10 columns looks different" in text
    assert "roc_auc (how well it ranks: 1 is perfect, 0.5 is guessing) was 0.81, between 0.79 and 0.83 with 95 % confidence." in text
    assert "Fresh models usually reach 0.82; being 0.01 worse is no more than chance explains." in text
    assert "It was not retrained, because nothing asked for it" in text
    assert text.endswith("What to do: nothing.")


def test_alarms_below_the_limit_are_named_with_whom_to_ask() -> None:
    meaning = words.of_window(window(DRIFTED, promise="1 per 90d"))
    text = " ".join(meaning.sentences)
    assert meaning.tone == "look"
    assert meaning.headline == "Something in the data has changed, too little to ask for a retraining."
    assert "2 of 10 columns look different from what the model learnt from: age and job." in text
    assert "less than the 30 % from which on drift alone asks" in text
    assert "What the model predicts has shifted." in text
    assert "chance alone raises at most 1 per 90d" in text
    assert "provisional" not in text
    assert text.endswith("ask whoever delivers the data whether the change of age and job is meant.")


@pytest.mark.parametrize(
    ("limit", "told"), [(0.2, "From 20 %"), (0.2001, "less than the 20 %"), (None, "Drift alone asks for no retraining")]
)
def test_the_limit_is_reached_at_the_limit(limit: float | None, told: str) -> None:
    assert told in said(DRIFTED, drift_limit=limit)


def test_fixed_thresholds_and_provisional_verdicts_are_told_with_their_doubt() -> None:
    assert "The thresholds are fixed: they do not weigh what chance alone would do." in said(DRIFTED)
    verdict = {"is_alarm": True, "is_provisional": True, "sentence": "age: far", "also": []}
    drift = Drift(column="age", kind="numeric", method="wasserstein", value=0.3, threshold=0.1, drifted=True, verdict=verdict)
    text = said(DRIFTED, promise="1 per 90d", drifts=(drift, replace(drift, verdict={**verdict, "is_provisional": False})))
    assert "1 alarm is provisional: too little is known of how far such rows usually vary." in text


def test_without_labels_nothing_is_claimed_of_quality() -> None:
    blind = seen(labelled_rows=0, qualities=(), concept=None)
    meaning = words.of_window(window(blind))
    assert (meaning.tone, meaning.headline) == ("good", "Nothing looks wrong, but how good the predictions were is not known yet.")
    assert "No true answers have come for these rows yet" in " ".join(meaning.sentences)
    assert "deliver the true answers" in meaning.to_do
    guessed = replace(blind, estimates=(Value(metric="roc_auc", value=0.8, low=0.7, high=0.9),))
    assert "estimated at 0.8, between 0.7 and 0.9 with 95 % confidence, if the same inputs still lead to the same answers." in said(guessed)
    assert "12 true answers have come, too few to tell" in said(replace(blind, labelled_rows=12))


def test_a_metric_that_is_not_a_number_is_not_a_quality() -> None:
    broken = seen(qualities=(Value(metric="roc_auc", value=math.nan, rows=900),), concept=None)
    assert "roc_auc could not be computed on the labelled rows" in said(broken)
    assert "nan" not in rendered.window(window(broken)).split("</style>")[1]
    assert words.of_window(window(broken)).headline.startswith("Nothing looks wrong, but how good")
    edged = seen(qualities=(replace(GOOD, low=math.nan),))
    assert "how exactly cannot be told from these rows" in said(edged)


def test_worse_than_fresh_models_is_bad_whatever_the_columns_say() -> None:
    worse = seen(concept=replace(FRESH, worse_by=0.08, p=0.0001, drifted=True))
    meaning = words.of_window(window(worse))
    assert (meaning.tone, meaning.headline) == ("bad", "The model did worse than it should.")
    assert "this is worse by 0.08, more than chance explains." in " ".join(meaning.sentences)
    rule = {"rule": "quality_drop", "role": "asks", "fired": True, "reason": "roc_auc fell"}
    asked = seen(concept=None, decision=decision(retrain=True, state="done", rules=[rule], outcome={"version": 3, "promoted": True}))
    text = said(asked)
    assert text.startswith("The model did worse than it should, and a retraining was asked for.")
    assert "A retraining was asked for: roc_auc fell. That made version 3, which became champion." in text


@pytest.mark.parametrize(
    ("concept", "told"),
    [
        (None, "Whether that is worse than usual was not looked at."),
        (ConceptDrift(yardstick="fresh", metric="roc_auc", obstacle="too few blocks"), "cannot be told: too few blocks."),
        (replace(FRESH, worse_by=-0.02), "so it does at least as well as a fresh one."),
    ],
)
def test_what_is_not_known_beside_fresh_models_is_said(concept: ConceptDrift | None, told: str) -> None:
    assert told in said(seen(concept=concept))


@pytest.mark.parametrize(
    ("state", "more", "told", "to_do"),
    [
        ("open", {}, "It waits for the next run of the training.", "The training starts by itself"),
        ("claimed", {}, "A training works on it", "wait."),
        ("suggested", {"until": NOW}, "A person is asked until 2026-05-20", "`perennial confirm loans`"),
        ("declined", {"answer": {"by": "ann"}}, "ann said no.", "ask whoever delivers"),
        ("recorded", {}, "Retraining is switched off", "`perennial train loans` trains it now"),
        ("failed", {"tries": 3}, "The training failed 3 times.", "logs of loans.train"),
    ],
)
def test_what_came_of_a_yes_is_told_with_what_to_do(state: str, more: dict[str, Any], told: str, to_do: str) -> None:
    meaning = words.of_window(window(replace(ASKED, decision=decision(retrain=True, state=state, **more))))
    assert meaning.headline == "The data has changed much, and a retraining was asked for."
    assert told in " ".join(meaning.sentences)
    assert to_do in meaning.to_do


def test_a_no_that_held_a_cause_back_says_both() -> None:
    rules = [
        {"rule": "drift_share", "role": "asks", "fired": True, "reason": "9 of 10 columns drifted"},
        {"rule": "budget", "role": "holds_back", "fired": True, "reason": "the budget is spent"},
        {"rule": "age", "role": "asks", "fired": None, "reason": "not declared"},
    ]
    text = said(replace(ASKED, decision=decision(rules=rules)))
    assert "A retraining was called for (9 of 10 columns drifted), but held back: the budget is spent." in text


def test_a_window_without_columns_rows_or_measurement_is_not_called_all_right() -> None:
    bare = seen(columns=0, qualities=(), concept=None)
    assert words.of_window(window(bare)).tone == "unknown"
    assert "No column could be compared" in said(bare)
    few = words.of_window(window(seen(rows=words.FEW_ROWS - 1)))
    assert (few.tone, few.headline) == ("unknown", "Too little is known to tell whether the model is all right.")
    assert words.of_window(window(seen(rows=words.FEW_ROWS))).tone == "good"
    waiting = words.of_window(window(seen(is_measured=False, decision=None)))
    assert (waiting.headline, waiting.to_do) == ("This window is not measured yet.", "What to do: wait.")
    lost = words.of_window(window(seen(is_measured=False, decision=decision(policy=words.GIVEN_UP, reasons=["no memory"]))))
    assert lost.headline == "This window could not be measured."
    assert "It was not judged: no memory." in lost.sentences


def test_the_page_of_a_former_champions_window_says_so() -> None:
    assert "Version 5 serves by now" in said(seen(), champion=5)
    assert "by now" not in said(seen(), champion=None)


def test_a_model_is_told_since_when_it_stands_so() -> None:
    calm = standing.of_history(history(seen(1), seen(2)))
    assert calm.tone == "good"
    assert calm.sentences[1] == "Nothing was found wrong in any of the 2 looks since 21 May 2026."
    again = standing.of_history(history(replace(DRIFTED, number=1), seen(2), seen(3)))
    assert again.sentences[1].startswith("Nothing was found wrong since window 2 of 22 May 2026 (2 looks); before")
    new = standing.of_history(history(seen(1), replace(DRIFTED, number=2)))
    assert new.sentences[1].startswith("That is new in window 2")
    lasting = standing.of_history(history(replace(DRIFTED, number=1), replace(DRIFTED, number=2)))
    assert "since window 1" in lasting.sentences[1]


def test_a_model_that_nobody_looked_at_is_not_called_all_right() -> None:
    assert standing.of_history(history(champion=None)).headline == "No version serves yet."
    assert standing.of_history(history()).headline == "Version 2 serves; it was not looked at in this period."
    changed = standing.of_model(ModelFacts(history=history(seen(), champion=3, changes=(promotion(),))))
    assert (changed.tone, changed.headline[:25]) == ("unknown", "Version 3 has taken over ")
    assert any("Version 3 serves since 20 May 2026 in place of version 2: drift" in one for one in changed.sentences)
    lost = seen(4, is_measured=False, decision=decision(policy=words.GIVEN_UP))
    assert standing.of_history(history(seen(3), lost)).headline == "The newest rows could not be looked at."
    waiting = seen(4, is_measured=False, decision=None)
    assert standing.of_history(history(seen(3), waiting)).headline == "The model looks all right.", "the look before still holds"


def promotion(kind: str = "promote") -> Promotion:
    return Promotion(number=1, model="loans", version=3, previous=2, kind=kind, at=NOW, by="ann", reason="drift", evidence=None, key="k")


def test_the_page_of_a_model_tells_the_newest_look_the_champion_and_what_waits() -> None:
    facts = ModelFacts(history=history(DRIFTED, changes=(replace(promotion("rollback"), version=2, previous=3),)), quarantined=2)
    text = " ".join(standing.of_model(facts).sentences)
    assert "The newest look was at window 3 of 23 May 2026, 1,000 rows. 2 of 10 columns" in text
    assert "Version 2 serves again since 20 May 2026: version 3 was rolled back by ann." in text
    assert "2 deliveries wait in quarantine" in text


VERSION = VersionFacts(model="loans", version=3, made_at=NOW, reason="drift", state="promoted", metric="roc_auc", value=0.8, rows=500)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"served": ((NOW, None),)}, "Version 3 is the champion since 20 May 2026."),
        (
            {"served": ((NOW, NOW + timedelta(days=2)),), "ended": "version 4 replaced it"},
            "served from 20 May 2026 to 22 May 2026: version 4 replaced it.",
        ),
        ({"wins": False, "state": "challenger"}, "did not win at the gate and never served."),
        ({"state": "running"}, "waits for its end"),
        ({"value": None}, "How good it is was not written down."),
        ({"value": math.nan}, "How good it is was not written down."),
        ({"baseline": 0.5}, "without any feature it would be 0.5. There was no champion"),
        ({"former": 2, "former_value": 0.78}, "Too few rows could be compared to tell"),
        (
            {"former": 2, "former_value": 0.7, "comparison": Comparison(gain=0.1, low=0.02, high=0.18, confidence=0.9)},
            "It is better by 0.1, between 0.02 and 0.18 with 90 % confidence.",
        ),
        (
            {"former": 2, "former_value": 0.9, "comparison": Comparison(gain=-0.1, low=-0.2, high=-0.01, confidence=0.9)},
            "It is worse by 0.1 (between -0.2 and -0.01",
        ),
        ({"former": 2, "former_value": 0.8, "comparison": Comparison(gain=0.0, low=-0.1, high=0.1, confidence=0.9)}, "may be chance."),
        ({"warnings": ("id leaks",)}, "1 warning of leakage"),
    ],
)
def test_a_version_is_told_with_what_is_known_of_it(changes: dict[str, Any], told: str) -> None:
    assert told in " ".join(standing.of_version(replace(VERSION, **changes)).sentences)


def row(model: str, found: Seen | None, champion: int | None = 2) -> IndexRow:
    meaning = standing.of_newest(model, found, champion=champion, drift_limit=0.3)
    return IndexRow(model=model, champion=champion, since=NOW, newest=found, metric="roc_auc", meaning=meaning)


def test_the_index_counts_who_is_all_right_and_names_the_others() -> None:
    assert standing.of_all([]).headline == "No model is declared yet."
    assert standing.of_all([row("loans", seen())]).headline == "loans: The model looks all right."
    both = standing.of_all([row("loans", seen()), row("cars", DRIFTED), row("new", None)])
    assert (both.tone, both.headline) == ("look", "3 models. 1 of 3 look all right.")
    assert both.paragraphs == (["Something has changed: cars.", "Too little is known of: new."],)
    assert standing.of_all([row("a", seen()), row("b", seen())]).headline == "2 models. Nothing looks wrong with any of them."


def test_an_index_of_reports_says_no_bare_no_and_shows_alarms_below_the_limit() -> None:
    page = rendered.index([row("cars", DRIFTED), row("new", None, champion=None)])
    assert ">not retrained<" in page
    assert ">2 of 10<" in page
    assert "none yet" in page
    listed = rendered.model(ModelFacts(history=history(DRIFTED)))
    assert "age, job, prediction" in listed
    assert 'href="loans-000003.html"' in listed


def test_names_reasons_and_columns_from_the_data_are_text_on_every_page() -> None:
    drift = Drift(column=EVIL, kind="numeric", method="wasserstein", value=0.3, threshold=0.1, drifted=True)
    evil = seen(drifted=1, alarms=(Alarmed(EVIL, "numeric"),), drifts=(drift,), decision=decision(reasons=[EVIL], answer={"by": EVIL}))
    batch = BatchFacts(id=EVIL, at=NOW, source=EVIL, status="accepted", rows=None, failing_rows=0, reasons=(EVIL,), page=None)
    versions = (replace(VERSION, reason=EVIL, verdict=EVIL),)
    model = ModelFacts(history=history(evil), description=EVIL, owner=EVIL, versions=versions, batches=(batch,))
    pages = [
        rendered.window(window(evil, drifts=(drift,))),
        rendered.model(model),
        rendered.index([row("loans", evil)]),
        rendered.deliveries("loans", [batch], quarantined=0, is_cut=False),
        means(standing.of_version(versions[0])),
    ]
    for page in pages:
        assert "<script" not in page
    assert "&lt;script&gt;" in pages[0]


def test_a_stored_page_gets_ways_back_what_it_means_and_a_policy_that_comes_before_all_else() -> None:
    stored = '<html><head lang="en"><title>x</title></head><body class="a"><p>hello</p></body></html>'
    ways = Ways(up=(Way("All models", "../index.html"), Way(EVIL)))
    page = framed(stored, ways=ways.below(), meaning=words.of_window(window(seen())))
    assert page.index(f'content="{STILL}"') < page.index("<style>") < page.index("<title>")
    assert page.index('href="../../index.html"') < page.index("What this means") < page.index("<p>hello</p>")
    assert "<script" not in page
    kept = framed(stored.replace("<title>", '<meta http-equiv="Content-Security-Policy" content="x"><title>'), ways=ways)
    assert STILL not in kept, "a page that draws charts has a policy of its own"


def test_plots_that_are_opened_alone_lead_back_before_anything_of_them_runs() -> None:
    page = alone("<head><script>theirs()</script></head><body><header class='perennial'></header></body>", back="w.html")
    assert page.index("location.replace") < page.index("theirs()")
    assert '"w.html"' in page
    framing = rendered.window(window(seen()))
    assert 'sandbox="allow-scripts allow-popups"' in framing
    assert "allow-same-origin" not in framing
