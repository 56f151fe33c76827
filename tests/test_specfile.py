"""Faults of model.yaml: each with file, line, key and cure, all at once."""

from pathlib import Path

import pytest

from ml import specfile
from ml.errors import SpecError, UnknownModel
from ml.settings import Settings
from ml.spec import ModelSpec

GOOD = """\
model: m
task: binary
target: y
positive: 'yes'
features:
  numeric: [a]
data:
  source: {kind: files, urls: [m/*.csv]}
training:
  candidates:
    - name: logistic
      class: sklearn.linear_model.LogisticRegression
"""


def write(settings: Settings, text: str | bytes, model: str = "m") -> Path:
    path = settings.dags / model / "model.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_good_file_is_read(settings: Settings) -> None:
    write(settings, GOOD)
    assert specfile.load(settings, "m").target == "y"
    assert specfile.model_names(settings) == ["m"]


def test_every_fault_is_reported_with_its_line(settings: Settings) -> None:
    bad = GOOD.replace("task: binary", "task: binry").replace("class: sklearn", "klass: sklearn") + "colour: red\n"
    with pytest.raises(SpecError) as caught:
        specfile.read(write(settings, bad))
    lines = str(caught.value).splitlines()
    assert "dags/m/model.yaml:2: task: 'binry' is not allowed. Write one of 'binary', 'multiclass' or 'regression'" in lines
    assert any(line.startswith("dags/m/model.yaml:11: training.candidates.0.class: is missing") for line in lines)
    assert any(line.startswith("dags/m/model.yaml:12: training.candidates.0.klass: is not a known key") for line in lines)
    assert any(line.startswith("dags/m/model.yaml:13: colour: is not a known key") for line in lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [", "model.yaml:1: not valid YAML"),
        ("", "does not hold keys and values"),
        ("just text", "does not hold keys and values"),
        (b"model: \xff\xfe", "cannot be read"),
        (GOOD + "target: z\n", "model.yaml:13: target: the key 'target' stands twice"),
        (GOOD.replace("model: m", "model: other"), "model.yaml:1: model: 'other' is not the name of its folder"),
        (GOOD.replace("numeric: [a]", "numeric: [a, y]"), "model.yaml:3: target: 'y' is also a feature. Take it out of features.numeric"),
        (GOOD.replace("kind: files", "kind: fils"), "needs a known `kind`"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(settings: Settings, text: str | bytes, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        specfile.read(write(settings, text))
    assert message in str(caught.value)


def test_a_parameter_may_be_a_list_and_is_the_same_when_it_comes_back(settings: Settings) -> None:
    text = GOOD + "      params: { hidden: [64, 32], mixed: [1, 1.0, true, null, a], none: [] }\n"
    spec = specfile.read(write(settings, text))
    params = spec.training.candidates[0].params
    assert params == {"hidden": [64, 32], "mixed": [1, 1.0, True, None, "a"], "none": []}
    assert [type(one) for one in params["mixed"]] == [int, float, bool, type(None), str]  # type: ignore[union-attr]
    again = ModelSpec.from_text(spec.to_text())
    assert repr(again.training.candidates[0].params) == repr(params)
    assert again.hash() == spec.hash()


@pytest.mark.parametrize("value", ["[1, [2]]", "{ a: 1 }"])
def test_a_parameter_of_another_kind_is_one_fault_that_says_what_a_parameter_is(settings: Settings, value: str) -> None:
    with pytest.raises(SpecError) as caught:
        specfile.read(write(settings, GOOD + f"      params: {{ hidden: {value} }}\n"))
    assert str(caught.value).count("\n") == 0
    assert "params.hidden: a parameter is a text, a number, true, false, null, or a list of these" in str(caught.value)


@pytest.mark.parametrize("name", ["absent", "../m", ""])
def test_an_unknown_model_names_the_known_ones(settings: Settings, name: str) -> None:
    write(settings, GOOD)
    with pytest.raises(UnknownModel, match="Declared models: m"):
        specfile.load(settings, name)
