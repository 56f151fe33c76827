"""The part of a new `model.yaml` that says how a challenger is made: candidates and effort that suit the size of the data."""

from collections.abc import Iterator
from dataclasses import dataclass

_TREE_ROWS = 20_000
"""A tree that is grown on more rows is slower and no better, as long as each tree sees others."""
_SMALL, _LARGE = 20_000, 50_000
_MANY_CLASSES = 10
"""With more, models that are fitted class by class (or grow trees for each) take most of the time."""


@dataclass(frozen=True, slots=True)
class Size:
    """What the effort depends on: the task's name, rows, different values of the target, and whether all features are free text."""

    task: str
    rows: int
    classes: int
    is_text: bool

    @property
    def has_many_classes(self) -> bool:
        return self.task == "multiclass" and self.classes > _MANY_CLASSES


def lines(size: Size) -> Iterator[str]:
    """The lines of `training`."""
    yield "training:"
    yield '  schedule: "@weekly" # also retrains without being asked, if there are new rows; null: only when a decision asks'
    yield from _effort(size)
    yield "  seed: 42"
    if size.task != "regression":
        yield "  balance: false # true: rare classes weigh as much as frequent ones"
        yield "  calibration: auto # of probabilities: if that lowers the log loss of held-out rows"
    if size.task == "binary":
        yield "  threshold: auto # from which probability on it says yes: chosen on held-out rows by costs, else by the metric or f1"
        yield "  # costs: { false_positive: 1, false_negative: 5 } # what errors cost, in any unit: chooses the threshold"
    yield "  candidates: # any class with scikit-learn's fit and predict"
    candidates = _of_text(size) if size.is_text else _of_table(size)
    for name, class_, params, search in candidates:
        yield f"    - name: {name}"
        yield f"      class: {class_}"
        if params:
            yield f"      params: {{ {params} }}"
        if search:
            yield "      search:"
            yield from (f"        {one}" for one in search)
    yield from _ensembles(size)


def _effort(size: Size) -> Iterator[str]:
    trials = 6 if size.rows <= _SMALL else 4
    yield f"  trials: {trials} # for each candidate that has a search"
    if size.rows <= _SMALL:
        yield "  folds: 5 # of the cross-validation that compares trials and candidates"
    elif size.rows <= _LARGE:
        yield f"  folds: 3 # of the cross-validation: {size.rows:,} rows tell trials apart with fewer than the usual 5"
    else:
        yield f"  folds: 1 # one part of validation_share: {size.rows:,} rows tell trials apart without cross-validation"


def _of_table(size: Size) -> Iterator[tuple[str, str, str, list[str]]]:
    is_number = size.task == "regression"
    if is_number:
        yield "ridge", "sklearn.linear_model.Ridge", "", [_float("alpha", 0.01, 100.0)]
    else:
        yield "logistic", "sklearn.linear_model.LogisticRegression", "max_iter: 1000", [_float("C", 0.01, 10.0)]
    kind = "Regressor" if is_number else "Classifier"
    yield "random_forest", f"sklearn.ensemble.RandomForest{kind}", _forest(size), [_int("min_samples_leaf", 5, 50, log=True)]
    trees = 100 if size.has_many_classes else 300
    params = f"n_estimators: {trees}, subsample: 0.8, colsample_bytree: 0.5, n_jobs: 1"
    search = [_int("max_depth", 3, 7), _float("learning_rate", 0.02, 0.1), _float("min_child_weight", 2.0, 50.0)]
    yield "xgboost", f"xgboost.XGB{kind}", params, search


def _of_text(size: Size) -> Iterator[tuple[str, str, str, list[str]]]:
    """Linear models: trees are slow on tens of thousands of words, and no better."""
    if size.task == "regression":
        yield "ridge", "sklearn.linear_model.Ridge", "", [_float("alpha", 0.01, 100.0)]
        yield "linear_svm", "sklearn.svm.LinearSVR", "max_iter: 5000", [_float("C", 0.05, 5.0)]
        return
    yield "linear_svm", "sklearn.svm.LinearSVC", "tol: 0.01", [_float("C", 0.1, 5.0)]
    if size.has_many_classes:
        yield "linear_sgd", "sklearn.linear_model.SGDClassifier", "loss: log_loss", [_float("alpha", 0.000001, 0.0001)]
    else:
        yield "logistic", "sklearn.linear_model.LogisticRegression", "max_iter: 1000", [_float("C", 1.0, 30.0)]
    yield "naive_bayes", "sklearn.naive_bayes.ComplementNB", "", [_float("alpha", 0.01, 2.0)]


def _forest(size: Size) -> str:
    """Trees of a regression look at a third of the columns (Breiman 2001), and with many rows each is grown on a share of them."""
    params = ["n_estimators: 150", "n_jobs: 1"]
    if size.task == "regression":
        params.append("max_features: 0.33")
    if size.rows > _TREE_ROWS:
        params.append(f"max_samples: {max(_TREE_ROWS / size.rows, 0.01):.2f}")
    return ", ".join(params)


def _ensembles(size: Size) -> Iterator[str]:
    if size.is_text or size.rows > _LARGE:
        yield "  ensembles: [] # - { name: blend, combine: voting, members: [...] } asks several candidates at once; or combine: stacking"
        return
    yield "  ensembles: # candidates like the others, of the best parameters of their members"
    yield "    - { name: blend, combine: voting, members: [random_forest, xgboost] } # or combine: stacking"


def _float(name: str, low: float, high: float) -> str:
    return f"{name}: {{ kind: float, low: {_plain(low)}, high: {_plain(high)}, log: true }}"


def _plain(number: float) -> str:
    """Without an exponent: YAML reads `1e-06` as text."""
    return str(number) if number >= 0.0001 else f"{number:f}"


def _int(name: str, low: int, high: int, *, log: bool = False) -> str:
    return f"{name}: {{ kind: int, low: {low}, high: {high}{', log: true' if log else ''} }}"
