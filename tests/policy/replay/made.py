"""Small histories with known answers."""

from typing import Any

import numpy as np

from ml.policy.replay import LossHistory


def history(losses: Any, **facts: Any) -> LossHistory:
    found = np.asarray(losses, dtype=float)
    return LossHistory(losses=found, rows=facts.pop("rows", np.full(len(found), 100)), **facts)


def ageing(windows: int, *, growth: float = 0.01, usual: float = 0.2, noise: float = 0.0, first: int = 0, **facts: Any) -> LossHistory:
    """Models that lose `usual` when they are new and `growth` more with each window of age."""
    age = np.arange(windows)[None, :] - np.arange(windows)[:, None]
    losses = usual + growth * np.clip(age, 0, None) + np.random.default_rng(0).normal(0, noise, (windows, windows))
    losses[:first] = np.nan
    return history(losses, **facts)


def jumping(windows: int, *, at: tuple[int, ...], jump: float = 0.3, usual: float = 0.1, noise: float = 0.0, **facts: Any) -> LossHistory:
    """Models that lose `usual` until the world changes at a window, and `jump` more from there on; those after it have learnt from it."""
    world = np.searchsorted(at, np.arange(-1, windows), side="right")
    losses = usual + jump * (world[:-1, None] < world[None, 1:]) + np.random.default_rng(1).normal(0, noise, (windows, windows))
    return history(losses, **facts)
