"""Perennial's library: validate, train, watch, decide. Knows nothing of Airflow, nor of any one model."""
