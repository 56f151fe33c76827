"""The history of a model: what is read from the state database, and the page that is made of it."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
import yaml

from ml.errors import CallError
from ml.jobs.report import report
from ml.monitoring.history.facts import History, Seen
from ml.monitoring.history.figures import figures
from ml.settings import Settings
from ml.state import State, estimates, ledger, trainings
from ml.state.records import Drift, Quality, Window
from tests.jobs.test_monitor import DECLARED, EVIL
from tests.plugins.test_reports import SPEC
from tests.state import made
from tests.state.test_estimates import estimate

NOW = datetime.now(UTC)


def drift(column: str, value: float, kind: str = "numeric") -> Drift:
    return Drift(column=column, kind=kind, method="wasserstein", value=value, threshold=0.1, drifted=value >= 0.1)


def look(settings: Settings, *, days: int, start: int, value: float = 0.8, interval: bool = True, champion: int = 1) -> Window:
    """A measured and decided window, so many days ago."""
    state, at = State.open(settings), NOW - timedelta(days=days)
    window = made.opened(state, SPEC, start, as_of=at, rows=200, champion=champion)
    made.measured(
        state,
        window,
        drifts=[drift("age", 0.02), drift(EVIL, 0.5), drift("prediction", 0.9, "prediction")],
        qualities=[Quality(metric=name, value=found, rows=200) for name, found in (("accuracy", 0.7), ("f1", 0.6), ("roc_auc", value))],
        labelled_rows=200,
        report_url=f"reports/{window.id}.html",
        at=at,
    )
    if interval:
        estimates.save(state, window.id, [], more={"intervals": {"roc_auc": [value - 0.05, value + 0.05], "accuracy": [0.6, 0.9]}})
    ledger.decide(state, made.decision(window, id=f"d{start}", reasons=[f"nothing asks: {EVIL}"], report_url="x", decided_at=at))
    return window


@pytest.fixture
def loans(settings: Settings) -> Settings:
    """A model with two windows, a promotion and a rollback; one window is a year old."""
    (settings.dags / "loans").mkdir()
    (settings.dags / "loans" / "model.yaml").write_text(yaml.safe_dump(DECLARED))
    look(settings, days=400, start=0)
    look(settings, days=20, start=1, interval=False)
    state = State.open(settings)
    for number, (version, kind, by) in enumerate([(1, "promote", "gate"), (2, "promote", "gate"), (1, "rollback", EVIL)]):
        at = NOW - timedelta(days=30 - 10 * number)
        trainings.crown(state, model="loans", version=version, kind=kind, at=at, by=by, reason=EVIL, key=f"k{number}")
    look(settings, days=5, start=2, value=0.74)
    return settings


def test_the_numbers_are_those_of_the_period_with_intervals_where_an_error_is_known(loans: Settings) -> None:
    found = report(loans, "loans")
    first, second = found.windows
    assert (first.number, second.number) == (2, 3)
    assert (second.columns, second.drifted, second.share) == (2, 1, 0.5), "predictions do not count"
    values = {one.metric: one for one in second.qualities}
    assert (values["roc_auc"].low, values["roc_auc"].high) == (pytest.approx(0.69), pytest.approx(0.79))
    assert (values["accuracy"].low, values["accuracy"].high) == (0.6, 0.9)
    assert values["f1"].low is None, "the rows could not tell"
    assert next(one for one in first.qualities if one.metric == "roc_auc").low is None, "it was measured by an earlier version"
    assert len(report(loans, "loans", since="500d").windows) == 3
    assert [(one.version, one.kind) for one in found.changes] == [(1, "promote"), (2, "promote"), (1, "rollback")]


def test_the_first_paragraph_says_what_the_numbers_mean(loans: Settings) -> None:
    said = " ".join(report(loans, "loans").meaning)
    assert "looked at 2 windows with 400 rows of loans." in said
    assert "Drift reached the limit of 50 % of the columns in 2 of 2 windows" in said
    assert "roc_auc was 0.74 on 200 labelled rows in window 3 (95 % interval" in said
    assert "No training was asked for in 2 decisions." in said
    assert "version 2 was rolled back to version 1 by" in said.lower()
    assert said.startswith("The data has changed much.")
    assert "Version 1 serves now. Nothing waits for anybody." in said
    assert said.endswith("is meant.")


def test_names_from_the_data_are_text_and_only_our_two_scripts_may_run(loans: Settings) -> None:
    page = Path(report(loans, "loans").page).read_text(encoding="utf-8")
    assert EVIL not in page
    assert unescape(page).count("nothing asks: " + EVIL) == 2, "and yet one reads it"
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    allowed = [f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts]
    assert len(allowed) == 2
    assert policy[1].startswith(f"default-src 'none'; script-src {' '.join(allowed)};")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page), "nobody is asked for anything"
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page, flags=re.DOTALL)[1])  # type: ignore[index]
    assert set(charts) == {"drift", "columns", "quality"}
    assert charts["columns"]["data"][0]["y"] == ["age", "&lt;/script&gt;&lt;script&gt;w…ipt&gt;"], "plotly reads its texts as markup"
    assert [one["line"]["dash"] for one in charts["drift"]["layout"]["shapes"]] == ["solid", "solid", "dash", "dash"]
    assert [one["text"] for one in charts["drift"]["layout"]["annotations"]] == ["v1", "v2", "v1 back"]
    assert charts["quality"]["data"][0]["error_y"]["array"][0] is None


def test_estimates_are_shown_where_there_is_a_value(loans: Settings) -> None:
    state = State.open(loans)
    estimates.save(state, "loans-000003", [estimate("roc_auc", value=0.72, low=0.7, high=0.75)], more={})
    estimates.save(state, "loans-000002", [estimate("roc_auc", value=None, low=None, high=None, why="no")], more={})
    found = report(loans, "loans")
    assert [[(one.value, one.low) for one in window.estimates] for window in found.windows] == [[], [(0.72, 0.7)]]
    assert "Without labels roc_auc was estimated at 0.72 in window 3 (95 % interval 0.7 to 0.75)." in found.meaning


def test_a_model_without_a_window_has_a_page_that_says_so(settings: Settings) -> None:
    (settings.dags / "loans").mkdir()
    (settings.dags / "loans" / "model.yaml").write_text(yaml.safe_dump(DECLARED))
    found = report(settings, "loans")
    assert found.meaning[0] == "No version serves yet."
    assert any(one.endswith("no window of loans was looked at.") for one in found.meaning)
    page = Path(found.page).read_text(encoding="utf-8")
    assert "script-src 'none'" in page
    assert "Nothing was measured in this period." in page


def test_a_page_may_be_written_elsewhere_and_a_wrong_call_says_what_is_wrong(loans: Settings, tmp_path: Path) -> None:
    assert report(loans, "loans", out=tmp_path / "a.html").page == str(tmp_path / "a.html")
    assert not Path(loans.reports_url).exists()
    with pytest.raises(CallError, match=r"--out .* cannot be written: No such file"):
        report(loans, "loans", out=tmp_path / "no" / "a.html")
    for wrong in ("soon", "0d", "99999999999999w"):
        with pytest.raises(CallError, match="--since"):
            report(loans, "loans", since=wrong)


def test_a_window_that_was_given_up_is_counted_and_not_measured(loans: Settings) -> None:
    state = State.open(loans)
    window = look(loans, days=1, start=3)
    lost = ledger.open_window(state, replace(window, start_version=9, end_version=10, measured_at=None, report_url=None))
    assert lost.id != window.id
    found = report(loans, "loans")
    assert [one.is_measured for one in found.windows] == [True, True, True, False]
    assert "1 of them could not be measured, or not yet" in " ".join(found.meaning)


def test_the_heat_map_is_coloured_by_what_was_judged_and_not_by_the_floor() -> None:
    chance, plain = {"p_value": 0.3, "also": []}, drift("a", 0.3)
    calm = replace(plain, column="b", drifted=False, verdict=chance)
    seen = Seen(
        id="w", number=1, at=NOW, champion=1, rows=9, labelled_rows=None, is_measured=True, columns=2, drifts=(plain, calm),
    )  # fmt: skip
    history = History(
        model="m", metric="roc_auc", is_lower_better=False, since=NOW, until=NOW, windows=(seen,), columns=("a", "b"), changes=(),
        decisions=(), champion=1, drift_limit=None,
    )  # fmt: skip
    trace = figures(history)["columns"]["data"][0]
    (b,), (a,) = trace["z"]
    assert a >= 1 > b
    assert trace["text"][0][0].endswith("no alarm")
