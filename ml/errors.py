"""Every error that Perennial raises on purpose, grouped by who must act.

Expected outcomes (a quarantined batch, a rejected challenger, a "no") are values, not errors. An error's message says what is
wrong, where, and what to do. `retryable` is what a scheduler should do: True when waiting may cure it by itself.
"""

from typing import ClassVar


class PerennialError(Exception):
    """Something that a person must know about; `str(error)` is the message for that person."""

    retryable: ClassVar[bool] = False


class OperatorError(PerennialError):
    """Whoever runs the installation must act: a store, a port, a process, a right."""


class StoreUnavailable(OperatorError):
    """A database, table, registry or file store did not answer."""

    retryable = True


class StackError(OperatorError):
    """The stack on this machine could not be started or ended."""


class DataOwnerError(PerennialError):
    """Whoever delivers the data must act, and there is no batch yet that could be quarantined for it."""


class NoData(DataOwnerError):
    """There are no rows (or too few) for what was asked."""


class ModelOwnerError(PerennialError):
    """Whoever declares the model must act."""


class SpecError(ModelOwnerError):
    """A `model.yaml` is wrong; the message lists every fault with file, line, key and cure."""


class SuiteError(ModelOwnerError):
    """An expectation suite is missing or wrong."""


class UnknownModel(ModelOwnerError):
    """No model of this name is declared."""


class CandidateError(ModelOwnerError):
    """A candidate's class or parameters cannot be used, or it failed to fit these rows."""


class UnknownVersion(ModelOwnerError):
    """The registry has no such version of the model, or no champion."""


class CallError(PerennialError):
    """The command was called wrongly: exit status 2."""


class ConcurrentChange(PerennialError):
    """Another process changed the same thing at the same time; trying again is safe."""

    retryable = True
