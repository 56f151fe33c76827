"""Figures are drawn for whatever the rows define, however odd its names."""

import io
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ml.spec import ModelSpec
from ml.training.assessing.facts import ColumnImportance, Importance
from ml.training.assessing.plots import draw, shown
from ml.training.evaluation import Predicted
from tests.training.assessing.frames import chances, shop

NONE = Importance(metric="roc_auc", rows=0, repeats=0, columns=())
CURVES = {"roc", "precision_recall", "calibration"}
RNG = np.random.default_rng(0)


def several(names: list[str], rows: int = 400) -> tuple[ModelSpec, pd.DataFrame, Predicted]:
    spec = shop(task="multiclass", positive=None)
    table = pd.DataFrame(RNG.dirichlet(np.ones(len(names)), rows), columns=names)
    frame = pd.DataFrame({"bought": RNG.choice(names, rows)})
    return spec, frame, Predicted(np.array(names, dtype=object)[table.to_numpy().argmax(axis=1)], table)


def sizes(figures: dict[str, bytes]) -> dict[str, tuple[int, int]]:
    return {name: Image.open(io.BytesIO(figure)).size for name, figure in figures.items()}


def test_a_binary_model_has_all_four() -> None:
    truth = RNG.random(300) < 0.4
    found = draw(shop(), *chances(truth, np.clip(truth * 0.3 + RNG.random(300) * 0.7, 0, 1)), NONE)
    assert sizes(found) == dict.fromkeys({"confusion_matrix", *CURVES}, (640, 480))


def test_many_classes_with_odd_names_are_drawn() -> None:
    names = [f"$x_{{{number}}}$ \\frac 漢字 <b>\n\x00 and a very long rest of it" for number in range(60)]
    found = sizes(draw(*several(names), NONE))
    assert set(found) == {"confusion_matrix", *CURVES}
    assert found["confusion_matrix"][1] > 480


def test_a_regression_has_actual_values_and_residuals() -> None:
    spec = shop(task="regression", target="paid", positive=None)
    frame = pd.DataFrame({"paid": RNG.normal(size=20_000)})
    said = frame["paid"].to_numpy() + RNG.normal(size=20_000)
    said[0] = np.nan
    assert set(draw(spec, frame, Predicted(said, None), NONE)) == {"actual_and_predicted", "residuals"}


def test_importance_bars_are_drawn_where_there_are_columns() -> None:
    columns = tuple(ColumnImportance(column=f"$c_{place}", mean=1 / (place + 1), deviation=0.1) for place in range(30))
    found = draw(shop(), *chances([True, False], [0.7, 0.2]), NONE.model_copy(update={"columns": columns}))
    assert "importance" in found


@pytest.mark.parametrize(
    ("truth", "probability"), [([True, True], [0.7, 0.2]), ([False, False], [0.7, 0.2]), ([True, False], [np.nan, 0.2])]
)
def test_what_the_rows_do_not_define_has_no_figure(truth: list[bool], probability: list[float]) -> None:
    assert set(draw(shop(), *chances(truth, probability), NONE)) == {"confusion_matrix"}


def test_a_classifier_without_probabilities_has_no_curves() -> None:
    frame, predicted = chances([True, False], [0.7, 0.2])
    assert set(draw(shop(), frame, Predicted(predicted.values, None), NONE)) == {"confusion_matrix"}


def test_no_rows_have_no_figures() -> None:
    assert draw(shop(), *chances(np.array([], dtype=bool), []), NONE) == {}


def test_the_same_rows_give_the_same_files() -> None:
    rows = chances(RNG.random(50) < 0.5, RNG.random(50))
    assert draw(shop(), *rows, NONE) == draw(shop(), *rows, NONE)


def test_no_figure_is_left_open() -> None:
    draw(shop(), *chances([True, False], [0.7, 0.2]), NONE)
    pyplot: Any = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


@pytest.mark.parametrize(
    ("text", "label"), [("a\nb\tc", "a b c"), ("x" * 30, "x" * 23 + "…"), ("$5", r"\$5"), ("x" * 24, "x" * 24), ("", "")]
)
def test_labels_are_one_bounded_line(text: str, label: str) -> None:
    assert shown(text) == label
