"""One time line over the rungs: panels over one another with the same x, the rungs' borders through all, a strip to zoom by.

A Vega-Lite specification as it is: a dozen panels of several runs would take Altair's checks and copies half a second. It stays
the same while a run climbs, only its data grow: Streamlit draws another one from nothing, and what was zoomed is lost. So
attempts, accuracy and limits are there before their first point, and marks never have the descriptions that Streamlit takes from
them beyond 5,000 points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from dashboards.load.timeline import X_TITLES, Axis, Panel

Spec = dict[str, Any]
HEIGHT, STRIP = 110, 46
ZOOM = "zoom"  # the strip's brush
BORDERS, LIMITS = "borders", "limits"  # data sets
TICKS = {"grid": False, "tickCount": 8}
FORMATS = {"step": "~s", "tokens": "~s", "hours": ".3~g", "dollars": "$.3~g"}
# Within the plot: a page sets every panel's width without its axis.
INSIDE = {
    "title": None, "tickCount": 3, "labelAlign": "left", "labelBaseline": "bottom", "labelPadding": -4, "ticks": False,
    "domain": False, "format": ".6~g",
}  # fmt: skip
SHAPES = {
    "failed": "cross", "killed": "square", "pruned": "triangle-down", "resumed": "triangle-right", "began again": "circle",
}  # fmt: skip
SIGNS = "\u271a failed  \u25a0 killed  \u25bc pruned  \u25b6 resumed  \u25cf began again"
DASHES = [[1, 0], [4, 3]]
GREY = "#808080"
NAMES = {"raw": "unsmoothed"}


@dataclass(slots=True)
class TimeLine:
    """Panels are added from above to below. `colours` is by run; `borders` has x and rung (load/timeline.py)."""

    axis: Axis
    colours: Mapping[str, str]
    borders: pd.DataFrame
    smooth: bool
    panels: list[Spec] = field(default_factory=list)
    datasets: dict[str, pd.DataFrame] = field(default_factory=dict)

    def add_strip(self, reward: pd.DataFrame) -> None:
        """The reward of all steps, small: who draws a brush over it zooms every panel; a double click shows all again."""
        x = {
            "field": "x",
            "type": "quantitative",
            "axis": {"title": None, "format": FORMATS[self.axis], **TICKS},
            "scale": {"nice": False},
        }
        brush = {"name": ZOOM, "select": {"type": "interval", "encodings": ["x"]}}
        line = {
            "mark": {"type": "line", "strokeWidth": 1},
            "params": [brush],
            "encoding": {
                "x": x,
                "y": {"field": "value", "type": "quantitative", "axis": None},
                "color": self._colour(),
            },
        }
        names = {
            "data": {"name": BORDERS},
            "mark": {
                "type": "text",
                "align": "left",
                "dx": 4,
                "dy": 8 - STRIP / 2,
                "color": GREY,
                "fontWeight": "bold",
            },
            "encoding": {"x": x, "text": {"field": "rung"}},
        }
        title = _title("Zoom", "drag over the reward to zoom all panels; double click: all")
        self._add("strip", reward, [line, self._rules(x), names], STRIP, title)

    def add(self, panel: Panel, data: pd.DataFrame, limits: pd.DataFrame | None = None) -> None:
        """A panel; the context's `limits` are lines of their own."""
        dash = _dash(list(panel.lines.values()))
        encoding = {"x": self._x(), "color": self._colour(), **dash}
        shown = [name for name in ("run", "rung", "line") if name in data]
        numbers = [name for name in ("step", "value", "raw") if name in data]
        tip: list[Spec] = [{"field": name} for name in shown]
        tip += [
            {"field": name, "type": "quantitative", "format": ".4~g", "title": NAMES.get(name, name)}
            for name in numbers
        ]
        layers = [self._rules(self._x())]
        if "high" in data:
            band = {"x": self._x(), "color": self._colour(), "y": _y("low"), "y2": {"field": "high"}}
            layers.append({"mark": {"type": "area", "opacity": 0.15, "clip": True}, "encoding": band})
        if self.smooth:
            raw = {"type": "line", "opacity": 0.25, "strokeWidth": 1, "clip": True}
            layers.append({"mark": raw, "encoding": {**encoding, "y": _y("raw")}})
        line = {"type": "line", "strokeWidth": 1.5, "clip": True}
        layers.append({"mark": line, "encoding": {**encoding, "y": _y("value"), "tooltip": tip}})
        if limits is not None:
            layers.append(self._limits(limits))
        lines = f"{' / '.join(panel.lines.values())}: full / dashed" if dash else ""
        said = ", ".join(part for part in (panel.unit, lines) if part)
        self._add(panel.key, data, layers, HEIGHT, _title(panel.title, said))

    def add_accuracy(self, data: pd.DataFrame) -> None:
        """Held-out accuracy where each rung ended: x, accuracy, low, high, run, checkpoint."""
        shown = [{"field": name, "type": "quantitative", "format": ".2%"} for name in ("accuracy", "low", "high")]
        points = {"type": "line", "point": {"size": 50}, "clip": True}
        line = {"x": self._x(), "y": _y("accuracy"), "color": self._colour()}
        bar = {"x": self._x(), "y": _y("low"), "y2": {"field": "high"}, "color": self._colour()}
        layers = [
            self._rules(self._x()),
            {"mark": {"type": "rule", "clip": True}, "encoding": bar},
            {"mark": points, "encoding": {**line, "tooltip": [{"field": "run"}, {"field": "checkpoint"}, *shown]}},
        ]
        title = _title("Held-out accuracy", "share, sampled at the full context, with its interval")
        self._add("accuracy", data, layers, HEIGHT, title)

    def add_attempts(self, marks: pd.DataFrame) -> None:
        """Where attempts ended without a result, and others went on: x, what, said, run, rung."""
        shape = {"field": "what", "scale": {"domain": list(SHAPES), "range": list(SHAPES.values())}, "legend": None}
        encoding = {
            "x": self._x(), "y": {"field": "run", "axis": None}, "color": self._colour(), "shape": shape,
            "tooltip": [{"field": name} for name in ("run", "rung", "what", "said")],
        }  # fmt: skip
        points = {"mark": {"type": "point", "size": 90, "filled": True, "clip": True}, "encoding": encoding}
        height = 28 + 8 * len(self.colours)
        self._add("attempts", marks, [self._rules(self._x()), points], height, _title("Attempts", SIGNS))

    def spec(self) -> Spec:
        """Of all panels, the data sets with it."""
        panels = [*self.panels[:-1], self._with_axis(self.panels[-1])] if self.panels else []
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "vconcat": panels,
            "spacing": 6,
            "resolve": {"scale": {"strokeDash": "independent", "shape": "independent"}},
            "config": {"view": {"stroke": None}, "mark": {"aria": False}},
            "datasets": {BORDERS: self.borders, **self.datasets},
        }

    def _add(self, name: str, data: pd.DataFrame, layers: list[Spec], height: float, title: Spec) -> None:
        self.datasets[name] = data
        self.panels.append({"data": {"name": name}, "height": height, "title": title, "layer": layers})

    def _with_axis(self, panel: Spec) -> Spec:
        """The lowest panel alone says what x is."""
        axis = {"title": X_TITLES[self.axis], "format": FORMATS[self.axis], **TICKS}
        layers = [
            {**one, "encoding": {**one["encoding"], "x": {**one["encoding"]["x"], "axis": axis}}}
            for one in panel["layer"]
        ]
        return {**panel, "layer": layers}

    def _colour(self) -> Spec:
        scale = {"domain": list(self.colours), "range": list(self.colours.values())}
        return {"field": "run", "type": "nominal", "scale": scale, "legend": None}

    def _x(self) -> Spec:
        """Of a panel: what the strip's brush spans."""
        scale = {"domain": {"param": ZOOM, "encoding": "x"}, "zero": False, "nice": False}
        return {
            "field": "x",
            "type": "quantitative",
            "scale": scale,
            "axis": {"title": None, "labels": False, "ticks": False, **TICKS},
        }

    def _rules(self, x: Spec) -> Spec:
        mark = {"type": "rule", "strokeDash": [4, 4], "opacity": 0.6, "color": GREY, "clip": True}
        return {"data": {"name": BORDERS}, "mark": mark, "encoding": {"x": x}}

    def _limits(self, limits: pd.DataFrame) -> Spec:
        self.datasets[LIMITS] = limits
        tip = [{"field": "run"}, {"field": "limit", "type": "quantitative", "title": "context (tokens)"}]
        encoding = {"x": self._x(), "x2": {"field": "x2"}, "y": _y("limit"), "color": self._colour(), "tooltip": tip}
        mark = {"type": "rule", "strokeDash": [2, 3], "clip": True}
        return {"data": {"name": LIMITS}, "mark": mark, "encoding": encoding}


def _y(name: str) -> Spec:
    return {"field": name, "type": "quantitative", "axis": INSIDE, "scale": {"zero": False}}


def _dash(lines: Sequence[str]) -> Spec:
    """Full and dashed, where a panel has two lines."""
    if len(lines) < 2:
        return {}
    return {
        "strokeDash": {
            "field": "line",
            "type": "nominal",
            "scale": {"domain": list(lines), "range": DASHES},
            "legend": None,
        }
    }


def _title(title: str, said: str) -> Spec:
    return {
        "text": title,
        "subtitle": said,
        "anchor": "start",
        "fontSize": 13,
        "subtitleFontSize": 11,
        "subtitleColor": GREY,
        "offset": 4,
    }
