"""The pages that stakeholders read: the same HTML behind Airflow's login and in a static folder."""
