"""What every process of Perennial sets before a vendor's library is imported: no telemetry, no busy waiting."""

import os

ENVIRONMENT = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "SCARF_ANALYTICS": "false",
    "SCARF_NO_ANALYTICS": "true",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    # OpenMP threads that spin while they wait make XGBoost 20 times slower beside Airflow on two cores.
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Variable → value. A variable that is set already is left as it is."""


def set_environment() -> None:
    """Sets the variables of `ENVIRONMENT` that are not set. Call it before the first import of a vendor's library."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
