"""What a replay of retraining policies found, as its page and the command show it."""
