"""Who else learns from the same rows: default models of scikit-learn and XGBoost, and FLAML where it is installed."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.sets import Known, Part

REQUIREMENTS = Path(__file__).with_name("requirements-peers.txt")
VARIABLE = "PERENNIAL_PEERS_PYTHON"
_MISSING = ["", " ", "NA", "?"]
THREADS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody says of the test rows: the positive class's probability (roc_auc), or a label (macro_f1)."""

    found: npt.NDArray[Any]
    seconds: float
    told: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody to be compared with. `in_bar`: Perennial must be at least as good; else a yardstick."""

    name: str
    answer: Callable[[Part], Answer]
    in_bar: bool


def of(known: Known) -> list[Peer]:
    """The peers that a set's metric asks for. Each text set's named anchor is in the bar, the other one is a yardstick."""
    if known.metric == "roc_auc":
        return [Peer("XGBoost default", _xgboost, True), Peer("random forest default", _forest, True)]
    return [
        Peer("TF-IDF + LinearSVC", _support_vectors, known.group is None),
        Peer("counts + naive Bayes", _naive_bayes, known.group is not None),
    ]


def _xgboost(part: Part) -> Answer:
    from xgboost import XGBClassifier

    return _of_table(part, XGBClassifier(n_jobs=THREADS, random_state=0))


def _forest(part: Part) -> Answer:
    from sklearn.ensemble import RandomForestClassifier

    return _of_table(part, RandomForestClassifier(n_jobs=THREADS, random_state=0))


def _of_table(part: Part, estimator: Any) -> Answer:
    """Categories as whole numbers, the median for what is missing: for both models better than one-hot on these sets."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    learn, test = tables(part)
    features = [name for name in learn if name != part.known.target]
    numbers = [name for name in features if pd.api.types.is_numeric_dtype(learn[name])]
    labels = [name for name in features if name not in numbers]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((SimpleImputer(strategy="median"), numbers), (encoder, labels))
    start = time.perf_counter()
    pipeline = make_pipeline(columns, estimator).fit(learn[features], learn[part.known.target] == part.known.positive)
    return Answer(pipeline.predict_proba(test[features])[:, 1], time.perf_counter() - start)


def tables(part: Part) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both parts with numbers where a column holds nothing else; without columns that are different in each row."""
    learn, test = ({name: frame[name].mask(frame[name].isin(_MISSING)) for name in frame} for frame in (part.learn, part.test))
    for name in list(learn):
        if name == part.known.target:
            continue
        numbers = pd.to_numeric(learn[name], errors="coerce")
        if (numbers.notna() == learn[name].notna()).all():
            learn[name], test[name] = numbers, pd.to_numeric(test[name], errors="coerce")
        elif learn[name].nunique() == len(part.learn):
            del learn[name], test[name]
    return pd.DataFrame(learn), pd.DataFrame(test)


def _support_vectors(part: Part) -> Answer:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    return _of_text(part, TfidfVectorizer(), LinearSVC(random_state=0))


def _naive_bayes(part: Part) -> Answer:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    return _of_text(part, CountVectorizer(), MultinomialNB())


def _of_text(part: Part, vectorizer: Any, estimator: Any) -> Answer:
    from sklearn.pipeline import make_pipeline

    known = part.known
    (column,) = [name for name in part.learn if name not in {known.target, known.group}]
    start = time.perf_counter()
    pipeline = make_pipeline(vectorizer, estimator).fit(part.learn[column], part.learn[known.target])
    return Answer(np.asarray(pipeline.predict(part.test[column]), dtype=object), time.perf_counter() - start)


def interpreter() -> Path | None:
    """A Python that has FLAML: the one that `PERENNIAL_PEERS_PYTHON` names, else the one that `install` made; None without either."""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else _environment() / "bin" / "python"
    return path if path.exists() else None


def install() -> Path:
    """Makes an environment of their own for the peers, below `PERENNIAL_HOME`; returns its Python."""
    folder = _environment()
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
    subprocess.run([uv, "pip", "install", "-q", "--python", str(folder / "bin" / "python"), "-r", str(REQUIREMENTS)], check=True)
    return folder / "bin" / "python"


def _environment() -> Path:
    from ml.settings import Settings

    return Settings.from_env().home / "peers"


def flaml(part: Part, *, python: Path, seconds: float) -> Answer:
    """FLAML with so many seconds on the table, called as its documentation says.

    Raises:
        RuntimeError: It failed.
    """
    start = time.perf_counter()
    learn, test = tables(part)
    learn = learn.assign(**{part.known.target: learn[part.known.target] == part.known.positive})
    with tempfile.TemporaryDirectory(prefix="perennial-peers-") as name:
        folder = Path(name)
        learn.to_csv(folder / "learn.csv", index=False)
        test.drop(columns=part.known.target).to_csv(folder / "test.csv", index=False)
        arguments = [str(Path(__file__).with_name("flaml_peer.py")), str(folder), part.known.target, str(seconds), str(THREADS)]
        done = subprocess.run([str(python), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"FLAML failed: {done.stderr[-500:]}")
        told = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    return Answer(np.array(told["probability"]), time.perf_counter() - start, told["best"])
