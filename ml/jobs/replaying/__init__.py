"""What `ml.jobs.replay` is made of: rows, windows, models and their losses, policies, and what is told of them."""
