"""A small model of one's own, declared as a user would."""

import csv
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml.jobs.new import new
from ml.settings import Settings


@pytest.fixture
def deliver(settings: Settings) -> Callable[..., Path]:
    """Writes a delivery of the model `loans`."""

    def write(name: str, rows: int, *, seed: int = 1, incomes: Sequence[str] = ()) -> Path:
        rng = random.Random(seed)
        path = settings.incoming / "loans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["loan", "income", "channel", "paid"])
            for number in range(rows):
                income = rng.randint(1000, 9000)
                paid = "yes" if income + rng.gauss(0, 1500) > 4000 else "no"
                shown = incomes[number] if number < len(incomes) else income
                writer.writerow([f"{name}-{number}", shown, rng.choice(["web", "shop"]), paid])
        return path

    return write


@pytest.fixture
def loans(settings: Settings, deliver: Callable[..., Path]) -> str:
    """The model `loans`: made by `new`, then thinned to one quick candidate."""
    example = deliver("example.csv", 300, seed=0)
    new(settings, name="loans", source=str(example), target="paid", id="loan")
    example.unlink()
    path = settings.dags / "loans" / "model.yaml"
    declared: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    declared["data"]["source"]["urls"] = ["loans/*.csv"]
    declared["training"]["candidates"] = [
        {"name": "logistic", "class": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 200}},
        {"name": "hopeless", "class": "sklearn.linear_model.LogisticRegression", "params": {"C": -1.0}},
    ]
    declared["training"]["ensembles"] = []
    declared["monitoring"] = {"minimum_rows": 100}
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")
    return "loans"
