"""The assets through which a model's DAGs wake each other. An event only wakes: what is true stands in the state database."""

from airflow.sdk import Asset


def data(model: str) -> Asset:
    """Rows were accepted."""
    return _asset(model, "data")


def retrain(model: str) -> Asset:
    """A decision that asks for a training is open."""
    return _asset(model, "retrain")


def suggestion(model: str) -> Asset:
    """A decision that suggests a training waits for a person's word."""
    return _asset(model, "suggestion")


def champion(model: str) -> Asset:
    """Another version became champion."""
    return _asset(model, "champion")


def _asset(model: str, what: str) -> Asset:
    return Asset(name=f"{model}.{what}", uri=f"perennial://{model}/{what}", group="perennial")
