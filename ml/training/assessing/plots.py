"""Figures of a model on its test rows, as PNG files: scikit-learn's displays on matplotlib's figures, without pyplot's global state."""

import io
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.spec import ModelSpec
from ml.training.assessing.facts import Importance
from ml.training.assessing.intervals import positive
from ml.training.evaluation import Predicted

MOST_CLASSES, MOST_CURVES, MOST_BARS = 20, 6, 20
"""So many classes in a confusion matrix, curves in a figure and columns in the importance bars; the others are joined or left out."""
OTHER = "(other)"
_POINTS = 1_000
_DOTS = 5_000
_LABEL = 24
_DPI = 100

Floats = npt.NDArray[np.float64]
Curves = Sequence[tuple[str, npt.NDArray[np.bool_], Floats]]


def draw(spec: ModelSpec, test: pd.DataFrame, predicted: Predicted, importance: Importance) -> dict[str, bytes]:
    """Name → PNG. What the rows do not define has no figure: no curve without probabilities or with one class, none of no rows."""
    if test.empty:
        return {}
    found = _of_numbers(spec, test, predicted) if spec.task == "regression" else _of_classes(spec, test, predicted)
    if importance.columns:
        found["importance"] = lambda axes: _importance(axes, importance)
    return {name: _png(drawn) for name, drawn in found.items()}


def shown(text: object) -> str:
    r"""A label as figures show it: one line, bounded, and never read as a formula.

    >>> print(shown("the cost of a long description"), shown("5 $"))
    the cost of a long desc… 5 \$
    """
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    line = line if len(line) <= _LABEL else line[: _LABEL - 1] + "…"
    return line.replace("$", r"\$")


def _of_numbers(spec: ModelSpec, test: pd.DataFrame, predicted: Predicted) -> dict[str, Callable[[Any], None]]:
    from sklearn.metrics import PredictionErrorDisplay

    actual, said = test[spec.target].to_numpy(dtype=float), np.asarray(predicted.values, dtype=float)
    rows = np.flatnonzero(np.isfinite(said))
    if len(rows) > _DOTS:
        rows = np.random.default_rng(spec.training.seed).choice(rows, _DOTS, replace=False)
    display = PredictionErrorDisplay(y_true=actual[rows], y_pred=said[rows])

    def dots(axes: Any, kind: str, title: str) -> None:
        display.plot(ax=axes, kind=kind, scatter_kwargs={"alpha": 0.25, "s": 10})
        axes.set_title(f"{title} ({len(rows):,} of {len(test):,} rows)")

    return {
        "actual_and_predicted": lambda axes: dots(axes, "actual_vs_predicted", "Actual and predicted"),
        "residuals": lambda axes: dots(axes, "residual_vs_predicted", "Residuals"),
    }


def _of_classes(spec: ModelSpec, test: pd.DataFrame, predicted: Predicted) -> dict[str, Callable[[Any], None]]:
    labels, values = np.asarray(test[spec.target], dtype=str), np.asarray(predicted.values, dtype=str)
    found: dict[str, Callable[[Any], None]] = {"confusion_matrix": lambda axes: _confusion(axes, labels, values)}
    if predicted.probabilities is None or not np.isfinite(predicted.probabilities.to_numpy(dtype=float)).all():
        return found
    if curves := _curves(labels, predicted.probabilities, positive(spec)):
        found["roc"] = lambda axes: _roc(axes, curves)
        found["precision_recall"] = lambda axes: _precision_recall(axes, curves)
    if spec.task == "binary" and not curves:
        return found
    if spec.task == "binary":
        name, truth, chance = curves[0]
        found["calibration"] = lambda axes: _calibration(axes, truth, chance, f"probability of {name}", f"share of {name}")
    else:
        table = predicted.probabilities
        chosen = np.array([str(column) for column in table.columns])[table.to_numpy(dtype=float).argmax(axis=1)]
        surest = table.to_numpy(dtype=float).max(axis=1)
        found["calibration"] = lambda axes: _calibration(
            axes, chosen == labels, surest, "probability of the likeliest class", "share right"
        )
    return found


def _curves(labels: npt.NDArray[Any], probabilities: pd.DataFrame, wanted: str | None) -> Curves:
    """Name, truth and probability of each class that gets a curve: the positive one, or the most frequent ones."""
    counts = pd.Series(labels).value_counts()
    frequent = sorted((str(name) for name in counts.index), key=lambda name: (-counts[name], name))
    classes = [wanted] if wanted is not None else frequent[:MOST_CURVES]
    return [
        (shown(name), labels == name, probabilities[name].to_numpy(dtype=float))
        for name in classes
        if name in probabilities and 0 < counts.get(name, 0) < len(labels)
    ]


def _confusion(axes: Any, labels: npt.NDArray[Any], values: npt.NDArray[Any]) -> None:
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    counts = pd.Series(np.concatenate([labels, values])).value_counts()
    classes = sorted((str(name) for name in counts.index), key=lambda name: (-counts[name], name))
    kept = sorted(classes[:MOST_CLASSES])
    if len(classes) > MOST_CLASSES:
        labels = np.where(np.isin(labels, kept), labels, OTHER)
        values = np.where(np.isin(values, kept), values, OTHER)
        kept = [*(name for name in kept if name != OTHER), OTHER]
    few = len(kept) <= 10
    matrix = confusion_matrix(labels, values, labels=kept, normalize=None if few else "true")
    display = ConfusionMatrixDisplay(matrix, display_labels=[shown(name) for name in kept])
    rotation = "horizontal" if len(kept) < 4 else "vertical"
    display.plot(ax=axes, cmap="Blues", include_values=few, values_format=",d" if few else None, xticks_rotation=rotation)
    counted = f"{len(labels):,} test rows" if few else f"shares of each actual class, {len(labels):,} test rows"
    axes.set(title=f"Confusion matrix ({counted})", xlabel="predicted", ylabel="actual")
    if not few:
        axes.figure.set_size_inches(8, 7)
        axes.tick_params(labelsize=7)


def _roc(axes: Any, curves: Curves) -> None:
    from sklearn.metrics import RocCurveDisplay, auc, roc_curve

    for name, truth, chance in curves:
        false, true, _ = roc_curve(truth, chance)
        area = float(auc(false, true))
        thin = _thinned(len(false))
        RocCurveDisplay(fpr=false[thin], tpr=true[thin], roc_auc=area, name=name).plot(ax=axes)
    axes.plot([0, 1], [0, 1], linestyle=":", color="gray", label="chance")
    axes.set(title="ROC", xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right", fontsize="small")


def _precision_recall(axes: Any, curves: Curves) -> None:
    from sklearn.metrics import PrecisionRecallDisplay, average_precision_score, precision_recall_curve

    for name, truth, chance in curves:
        precision, recall, _ = precision_recall_curve(truth, chance)
        thin = _thinned(len(precision))
        average = float(average_precision_score(truth, chance))
        PrecisionRecallDisplay(precision[thin], recall[thin], average_precision=average, name=name).plot(ax=axes)
    if len(curves) == 1:
        axes.axhline(float(curves[0][1].mean()), linestyle=":", color="gray", label="chance")
    axes.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.05))
    axes.legend(loc="best", fontsize="small")


def _calibration(axes: Any, truth: npt.NDArray[np.bool_], chance: Floats, across: str, up: str) -> None:
    """Ten bins with as many rows each; for several classes the likeliest one's probability (Guo et al. 2017)."""
    from sklearn.calibration import CalibrationDisplay, calibration_curve

    share, mean = calibration_curve(truth, np.clip(chance, 0, 1), n_bins=10, strategy="quantile")
    CalibrationDisplay(share, mean, chance).plot(ax=axes, name="model")
    axes.set(title="Calibration", xlabel=across, ylabel=up)


def _importance(axes: Any, importance: Importance) -> None:
    columns = importance.columns[:MOST_BARS][::-1]
    places = np.arange(len(columns))
    axes.barh(places, [one.mean for one in columns], xerr=[one.deviation for one in columns], color="tab:blue", ecolor="gray")
    axes.set_yticks(places, [shown(one.column) for one in columns])
    axes.axvline(0, color="gray", linewidth=0.8)
    title = f"Importance: the {len(columns)} most important columns" if len(importance.columns) > MOST_BARS else "Importance"
    axes.set(title=title, xlabel=f"how much worse {importance.metric} gets when the column is shuffled")


def _thinned(points: int) -> npt.NDArray[np.int64]:
    """Positions of at most about `_POINTS` points of a curve, both ends among them."""
    return np.unique(np.linspace(0, points - 1, min(points, _POINTS)).astype(np.int64))


def _png(drawn: Callable[[Any], None]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), dpi=_DPI, layout="constrained")
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sign that the font does not have is drawn as a box
        drawn(figure.add_subplot())
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
