"""The whole stack on one machine: Airflow and the MLflow server, on loopback, with everything they write below the home."""

from ml.stack.addresses import Addresses, running
from ml.stack.ending import down
from ml.stack.ports import Ports
from ml.stack.starting import up

__all__ = ["Addresses", "Ports", "down", "running", "up"]
