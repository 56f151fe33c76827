"""What is measured and shown of a challenger on test rows that no tuning saw. Nothing here decides: the gate does."""
