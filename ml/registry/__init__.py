"""Everything that touches MLflow: runs, saved models, versions and their aliases. What is true about champions is in the state database."""
