"""What is remembered: SQL tables, their migrations, and the ledger's claims."""

from ml.state.store import State

__all__ = ["State"]
