"""What the charts of the pages have in common, as plotly's JSON. Names that came with data are escaped: plotly reads texts as markup."""

from html import escape
from typing import Any

BLUE, ORANGE, GREY, RED = "#1f5f9e", "#c05f00", "#5a6270", "#b3261e"
LONGEST_NAME = 24


def shown(name: str, longest: int = LONGEST_NAME) -> str:
    """A text that plotly shows as it is.

    >>> shown("<script>")
    '&lt;script&gt;'
    """
    text = " ".join(name.split())
    return escape(text if len(text) <= longest else text[: longest - 1] + "…", quote=False)


def line(name: str, color: str) -> dict[str, Any]:
    """A trace without its points."""
    return {"type": "scatter", "mode": "lines+markers", "name": name, "line": {"color": color, "width": 2}, "marker": {"size": 7}}


def frame() -> dict[str, Any]:
    """A layout without its axes."""
    return {
        "margin": {"l": 8, "r": 8, "t": 28, "b": 36},
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": "#1c2128"},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#fafbfc",
        "legend": {"orientation": "h", "x": 0, "y": -0.18, "yanchor": "top"},
        "hoverlabel": {"align": "left"},
    }
