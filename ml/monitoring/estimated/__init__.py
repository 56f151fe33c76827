"""How good the champion probably is on rows whose labels are not known yet, and how well such estimates did once they were."""
