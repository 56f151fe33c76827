"""The pages that stakeholders read: each is found by its name, in Airflow and in a static folder alike."""
