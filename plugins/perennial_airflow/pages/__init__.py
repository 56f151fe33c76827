"""Perennial's pages in Airflow's API server. Each needs Airflow's login."""
