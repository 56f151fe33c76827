"""The Airflow DAGs of the model credit_risk, built from the model.yaml beside this file."""

from perennial_airflow.builder import build

build(__file__)
