"""The page of a window: the recorded numbers, no request to anybody, and nothing in it that the data could run."""

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from ml.errors import OperatorError
from ml.monitoring import drift as drifting
from ml.monitoring import frames, report, report_drift
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Quality, Window
from tests.monitoring.two_frames import drifts_of
from tests.state import made

EVIL = "</script><script>window.hurt=1</script>"
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def spec(task: str = "binary", **changes: object) -> ModelSpec:
    content: dict[str, object] = {
        "model": "m",
        "task": task,
        "target": "y",
        "features": {"numeric": ["a", "a<b", "a＜b", "gone", "constant"], "categorical": ["c", EVIL], "text": ["t"], "datetime": ["d"]},
        "data": {"source": {"kind": "files", "urls": ["x"]}},
        "training": {"candidates": [{"name": "l", "class": "a.B"}]},
    }
    if task == "binary":
        content["positive"] = EVIL
    return ModelSpec.model_validate(content | changes)


def rows(count: int, *, seed: int, task: str = "binary") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    labels = {"binary": ["no", EVIL], "multiclass": ["x", "y", EVIL]}
    return pd.DataFrame(
        {
            "a": rng.normal(seed, 1, count),
            "a<b": rng.normal(0, 1, count),
            "a＜b": rng.normal(0, 1, count),
            "gone": np.nan if seed else rng.normal(0, 1, count),
            "constant": 5.0,
            "c": rng.choice(["x", "y", EVIL], count),
            EVIL: rng.choice([f"k{number}" for number in range(100)], count),
            "t": [" ".join(rng.choice(["good", "bad", EVIL, "new" if seed else "old"], 3)) for _ in range(count)],
            "d": pd.Timestamp("2026-01-01", tz="UTC"),
            "y": rng.normal(0, 1, count) if task == "regression" else rng.choice(labels[task], count),
        }
    )


def page(declared: ModelSpec, *, count: int = 300) -> tuple[str, report.Measurement]:
    rng = np.random.default_rng(9)
    reference, window = rows(count, seed=0, task=declared.task), rows(count, seed=1, task=declared.task)
    judged = pd.DataFrame({"label": window["y"], "prediction": rng.permutation(window["y"])})
    said = rng.random(count) if declared.task != "multiclass" else judged["prediction"]
    if declared.task == "binary":
        judged["probability"] = said
    reference, window = reference.assign(prediction=said), window.assign(prediction=said)
    pins = [
        *drifting.feature_pins(declared),
        drifting.target_pin(declared),
        drifting.prediction_pin(declared, "prediction", has_probability=declared.task == "binary"),
    ]
    drifts = drifts_of(pins, reference=reference, window=window)
    measurement = report.Measurement(
        drifts=drifts, qualities=[Quality(metric="f1", value=0.5, rows=count)], labelled_rows=count, notes=["a <note>"]
    )
    compared = report_drift.Compared(
        reference=reference, window=window, kinds={one.column: one.measured_as for one in pins}, reference_rows=len(reference)
    )
    return report.render(declared, opened(count), measurement, compared=compared, judged=judged), measurement


def opened(count: int) -> Window:
    return made.window(2, end_version=4, id="m-000001", number=1, as_of=NOW, rows=count, start_time=NOW, end_time=NOW, champion=3)


class Tags(HTMLParser):
    """The tags of a page, as a browser finds them, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def binary() -> tuple[str, report.Measurement]:
    return page(spec())


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_names_and_values_cannot_run_in_the_readers_browser(task: str) -> None:
    text, _ = page(spec(task))
    found = Tags(text)
    assert len(re.findall(r"</script", text, re.IGNORECASE)) == 4
    assert len(found.scripts) == 4, "Evidently's data, its library and two lines that start it"
    assert not [script for script in found.scripts if script.strip().startswith("window.hurt")]
    assert "window.hurt" in found.scripts[0], "the value is shown as text"
    assert "Quality of the champion" in text
    if shutil.which("node"):
        data = found.scripts[0].replace("var ", "globalThis.", 2)
        program = f"{data}\nif (globalThis.hurt || globalThis.window) process.exit(1)"
        subprocess.run(["node", "-"], input=program.encode(), check=True)


def test_the_page_asks_nobody_for_anything(binary: tuple[str, report.Measurement]) -> None:
    found = Tags(binary[0])
    assert [tag for tag, values in found.tags if tag in {"link", "iframe", "base", "img", "object"} or values.get("src")] == []
    assert re.findall(r"(?:url\(|@import\s+)['\"]?https?:", binary[0]) == []
    assert "cdn.plot.ly" not in binary[0]
    policies = [values["content"] for tag, values in found.tags if tag == "meta" and values.get("http-equiv")]
    assert policies
    assert str(policies[0]).startswith("default-src 'none';")
    assert "http" not in str(policies[0])


def test_the_page_says_what_was_looked_at(binary: tuple[str, report.Measurement]) -> None:
    head = binary[0][: binary[0].index("</header>")]
    assert "<title>m-000001: drift and quality</title>" in head
    for text in ("m-000001: 300 rows of dataset versions 3 to 4", "version 3", "2026-05-01 00:00 to 2026-05-01 00:00 UTC", "f1 0.5000"):
        assert text in head
    assert "a &lt;note&gt;" in head
    assert "Dates and times are not compared, they always move on: d." in head
    assert "sample" not in head


def test_the_page_shows_the_recorded_numbers_of_all_columns(binary: tuple[str, report.Measurement]) -> None:
    text, measurement = binary
    names = frames.harmless_names(one.column for one in measurement.drifts)
    assert len(set(names.values())) == len(names), "a<b and its full-width twin stay two columns"
    features = [one for one in measurement.drifts if one.kind not in {"target", "prediction"}]
    for one in features:
        row = re.search(rf'"column_name": {re.escape(json.dumps(names[one.column]))}.{{0,4000}}?"drift_score": ([0-9.e-]+)', text)
        assert row, one.column
        assert float(row[1]) == pytest.approx(one.value, abs=1e-6)
    share = sum(one.drifted for one in features) / len(features)
    assert f"({share:.2f})" in text[: text.index("</header>")]


def test_a_column_that_is_shown_by_its_missing_values_is_drawn_so() -> None:
    declared = spec(features={"numeric": ["a"]})
    before, now = pd.DataFrame({"a": [1.0, 2.0] * 50}), pd.DataFrame({"a": [1.0, 2.0] * 25 + [np.nan, np.inf] * 25})
    (pin,) = drifting.feature_pins(declared)
    (found,) = drifts_of([pin], reference=before, window=now)
    assert (found.method, found.value, found.drifted) == ("missing_share", 0.5, True)
    shown = frames.shown_frames(reference=before, window=now, drifts=[found], kinds={"a": "numeric"}, names={"a": "a"})
    assert shown[1]["a"].value_counts().to_dict() == {"present": 50, "missing": 50}
    measurement = report.Measurement(drifts=[found], qualities=[], labelled_rows=0, late_rows=7, notes=[])
    compared = report_drift.Compared(reference=before, window=now, kinds={"a": "numeric"}, reference_rows=100)
    judged = pd.DataFrame({"label": [], "prediction": [], "probability": []})
    text = report.render(declared, opened(100), measurement, compared=compared, judged=judged)
    assert "Change of the share of missing values" in text
    assert "0, and 7 from before the window whose labels are new" in text


def test_large_frames_are_drawn_from_a_sample_and_keep_the_numbers_of_all_rows() -> None:
    declared = spec(monitoring={"sample_rows": 1000})
    text, _ = page(declared, count=1500)
    head = text[: text.index("</header>")]
    assert "are of all rows (of texts: at most 20,000 of each side); the plots" in head
    assert "from a sample of at most 1,000 rows of each side" in head
    assert "its plots below are of a sample of 1,000" in head


def test_of_a_wide_table_the_farthest_columns_are_drawn_and_all_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_drift, "DRAWN_COLUMNS", 4)
    text, measurement = page(spec())
    head = text[: text.index("</header>")]
    assert "Of 10 columns the 4 farthest are drawn; the other 6 are listed with their numbers." in head
    left = report_drift.listed_only(measurement.drifts)
    assert {one.kind for one in measurement.drifts} - {one.kind for one in left} >= {"target", "prediction"}
    for one in left:
        assert f"<td>{frames.harmless(one.column)}</td><td>{one.method}</td><td>{one.value:.6g}</td>" in head
    assert EVIL not in head


def test_the_same_window_gives_the_same_bytes(binary: tuple[str, report.Measurement]) -> None:
    assert page(spec())[0] == binary[0]


def test_one_class_only_is_no_reason_to_fail() -> None:
    declared = spec()
    reference = rows(200, seed=0).assign(prediction=0.5)
    window = rows(200, seed=1).assign(prediction=0.5, y="no")
    pins = [*drifting.feature_pins(declared), drifting.target_pin(declared)]
    drifts = drifts_of(pins, reference=reference, window=window)
    measurement = report.Measurement(drifts=drifts, qualities=[], labelled_rows=200, notes=[])
    compared = report_drift.Compared(
        reference=reference, window=window, kinds={one.column: one.measured_as for one in pins}, reference_rows=200
    )
    judged = pd.DataFrame({"label": window["y"], "prediction": "no", "probability": 0.5})
    text = report.render(declared, opened(200), measurement, compared=compared, judged=judged)
    assert "Quality of the champion" not in text
    assert "not measured" in text


def test_a_page_that_would_show_other_numbers_is_an_error() -> None:
    drifts = drifts_of(drifting.feature_pins(spec())[:1], reference=rows(50, seed=0), window=rows(50, seed=1))
    shown = {"metrics": [{"config": {"type": "evidently:metric_v2:ValueDrift", "column": "a"}, "value": drifts[0].value + 1e-9}]}
    with pytest.raises(OperatorError, match="other drift than was measured for a;"):
        report_drift._reconcile(shown, {"a": drifts[0]})


def test_a_page_is_written_whole_or_not_at_all(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    url = report.save(settings, model="m", window="m-000001", page="first")
    assert url == f"{settings.reports_url}/m/m-000001.html"
    files = type(fsspec.filesystem("file"))

    def killed(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "mv", killed)
        with pytest.raises(KeyboardInterrupt):
            report.save(settings, model="m", window="m-000001", page="second")
    assert Path(url).read_text() == "first"
    assert list(Path(url).parent.iterdir()) == [Path(url)]
    report.save(settings, model="m", window="m-000001", page="second")
    assert Path(url).read_text() == "second"


def test_a_page_goes_to_any_store(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"reports_url": "memory://reports"})
    url = report.save(elsewhere, model="m", window="m-000001", page="text")
    with fsspec.open(url, "rt") as stream:
        assert stream.read() == "text"


@pytest.mark.parametrize("predicted", ["no", EVIL])
@pytest.mark.parametrize("labels", [["no", "perhaps", EVIL], ["no", "perhaps"]])
def test_a_third_label_of_a_binary_model_is_no_reason_to_fail(labels: list[str], predicted: str) -> None:
    declared = spec(features={"numeric": ["a"]})
    frame = pd.DataFrame({"a": np.arange(300.0)})
    pins = drifting.feature_pins(declared)
    drifts = drifts_of(pins, reference=frame, window=frame)
    measurement = report.Measurement(drifts=drifts, qualities=[], labelled_rows=300, notes=[])
    compared = report_drift.Compared(reference=frame, window=frame, kinds={"a": "numeric"}, reference_rows=300)
    judged = pd.DataFrame({"label": (labels * 150)[:300], "prediction": predicted, "probability": np.linspace(0, 1, 300)})
    text = report.render(declared, opened(300), measurement, compared=compared, judged=judged)
    assert ("Quality of the champion" in text) is (EVIL in labels)


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="the package is there")
def test_a_store_whose_package_is_missing_is_told_with_its_cure(settings: Settings) -> None:
    away = settings.model_copy(update={"reports_url": "s3://bucket/reports"})
    with pytest.raises(OperatorError, match="install the package s3fs"):
        report.save(away, model="m", window="m-000001", page="x")
