"""Perennial under Airflow: the DAGs of a model, their operators, and pages in Airflow's UI. The only code that imports Airflow."""
