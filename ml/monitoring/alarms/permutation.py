"""Tests of one score of the pooled rows: which values could its sum over the window have had, if the rows were dealt by chance?

The window is taken as n rows drawn without replacement from the pooled N: exact in size for any distribution and any ties, as long as
the rows are exchangeable. The tail is the double saddlepoint approximation of Robinson (1982, JRSS B 44), with Skovgaard's (1987) form
of the conditional tail; its relative error stays small where a normal approximation is wrong by a factor (rare values, tails of 1e-6).
"""

import numpy as np
from scipy.special import xlogy
from scipy.stats import hypergeom, norm

from ml.monitoring.profiles import Counts, Floats

_SURE, _FAR = 1.5, 12.0
"""Between so many standard deviations the tail is approximated with care: below nothing is decided, above nothing is in doubt."""
_STEPS = 60
_EXACT_ROWS = 200_000


def score_test(scores: Floats, both: Counts, window: Counts) -> float:
    """The two-sided p-value of the scores' sum over the window.

    Args:
        scores: One finite number for each of K cells.
        both: Rows in each cell on both sides together.
        window: Rows of the window among them.
    """
    filled = both > 0
    scores, both, window = scores[filled], both[filled], window[filled]
    n, rows = int(window.sum()), int(both.sum())
    m = rows - n
    centred = scores - (scores @ both) / rows
    spread = float(np.sqrt(centred**2 @ both / rows))
    if n == 0 or m == 0 or spread < 1e-12 * max(1.0, float(np.abs(scores).max())):
        return 1.0
    if len(both) == 2:
        return two_cells(int(window[0]), int(both[0]), n, rows)
    standard = centred / spread
    total = float(standard @ window)
    z = total / np.sqrt(n * m / (rows - 1))
    if not _SURE < abs(z) < _FAR:
        return float(2 * norm.sf(abs(z)))
    tail = _saddlepoint(standard if z > 0 else -standard, both, n, abs(total))
    return float(min(1.0, 2 * (norm.sf(abs(z)) if tail is None else tail)))


def two_cells(found: int, marked: int, n: int, rows: int) -> float:
    """Fisher's exact test, twice the smaller tail: `found` of the `marked` rows stand among the window's `n` of all `rows`."""
    expected = marked * n / rows
    if rows > _EXACT_ROWS and min(expected, n - expected, marked - expected, rows - n - marked + expected) > 100:
        return float(2 * norm.sf(_signed_root(found, marked, n, rows)))
    of = hypergeom(rows, marked, n)
    return float(min(1.0, 2 * min(of.cdf(found), of.sf(found - 1))))


def _signed_root(found: int, marked: int, n: int, rows: int) -> float:
    """The root of the likelihood ratio, without its sign: for thousands of rows its tail is the normal one."""
    seen = np.array([found, marked - found, n - found, rows - n - marked + found], dtype=float)
    expected = np.outer([marked, rows - marked], [n, rows - n]).ravel() / rows
    return float(np.sqrt(max(0.0, 2 * float(np.sum(xlogy(seen, seen / expected))))))


def _saddlepoint(scores: Floats, both: Counts, n: int, total: float) -> float | None:
    """The upper tail of the sum at `total`; None where it lies at the end of what is possible.

    Without the condition of n rows each row is the window's with the same chance; the tilted chances solve both equations
    "expected sum = total" and "expected rows = n".
    """
    chance = n / both.sum()
    tilt = np.zeros(2)
    target = np.array([total, n])

    def terms(at: Floats) -> tuple[float, Floats, Floats]:
        logit = np.clip(at[1] + at[0] * scores, -500, 500)
        grown = chance * np.exp(logit)
        inside = grown / (1 - chance + grown)
        log_sum = float(both @ np.log(1 - chance + grown))
        slope = np.array([(both * scores) @ inside, both @ inside])
        weight = both * inside * (1 - inside)
        curve = np.array([[weight @ scores**2, weight @ scores], [weight @ scores, weight.sum()]])
        return float(at @ target) - log_sum, slope, curve

    height, slope, curve = terms(tilt)
    flat = curve[1, 1]
    for _ in range(_STEPS):
        if np.abs(target - slope).max() < 1e-9 * max(1.0, n):
            break
        try:
            step = np.linalg.solve(curve, target - slope)
        except np.linalg.LinAlgError:
            return None
        size = 1.0
        while (found := terms(tilt + size * step))[0] < height and size > 1e-6:
            size /= 2
        tilt = tilt + size * step
        height, slope, curve = found
    else:
        return None
    if tilt[0] <= 0 or height <= 0:
        return None
    root = float(np.sqrt(2 * height))
    slow = tilt[0] * float(np.sqrt(np.linalg.det(curve) / flat))
    if not np.isfinite(slow) or slow <= 0:
        return None
    return float(np.clip(norm.sf(root + np.log(slow / root) / root), 0.0, 1.0))
