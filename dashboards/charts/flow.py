"""Where a sum went, as a flow through columns (a Sankey diagram): `layout` decides where everything lies, `flow_chart` draws it.

Amounts are whole numbers of some small unit, so that the widths of the bands add up to the sum exactly, at every column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import altair as alt
import pandas as pd

from dashboards.charts.frame import PADDING
from dashboards.load.spend import Leaf

POINTS = 13  # of each of a band's two edges
NODE_WIDTH = 0.05  # of the way from one column to the next
SUM_PX = 260  # the whole sum's height; a node's part of it
GAP_PX = 8  # between nodes, at least
LINE_PX = 15  # from one node's middle to the next one's, at least: each has a line of text
AROUND_PX = 60  # the legend and the columns' names
NAME_PX = 11
ROOM = 0.8  # to the right of the last column for its names, of the way between columns


@dataclass(frozen=True, slots=True)
class Node:
    column: int
    name: str
    amount: int
    top: int


@dataclass(frozen=True, slots=True)
class Band:
    """What flows from `source` in `column` to `target` in the next: its upper edge goes from `source_top` to `target_top`."""

    column: int
    source: str
    target: str
    kind: str
    amount: int
    source_top: int
    target_top: int


@dataclass(frozen=True, slots=True)
class Layout:
    nodes: list[Node]
    bands: list[Band]
    total: int

    @property
    def height(self) -> int:
        return max((node.top + node.amount for node in self.nodes), default=0)


def with_small_ones_joined(leaves: Sequence[Leaf], column: int, least_share: float, name: str) -> list[Leaf]:
    """The leaves with those nodes of `column` under one `name` that have less than `least_share` of the sum; one stays itself."""
    amounts: dict[str, int] = {}
    for leaf in leaves:
        amounts[leaf.path[column]] = amounts.get(leaf.path[column], 0) + leaf.amount
    least = least_share * sum(amounts.values())
    small = {node for node, amount in amounts.items() if amount < least}
    if len(small) < 2:
        return list(leaves)
    return [
        replace(leaf, path=(*leaf.path[:column], name, *leaf.path[column + 1 :]))
        if leaf.path[column] in small
        else leaf
        for leaf in leaves
    ]


def layout(
    leaves: Sequence[Leaf],
    first: Mapping[int, Sequence[str]],
    gap_share: float = GAP_PX / SUM_PX,
    line_share: float = LINE_PX / SUM_PX,
) -> Layout:
    """Nodes and bands of `leaves`, whose amounts are above 0. `first`: by column, names that stand on top, in this order.

    All other nodes stand below them, the largest first. Shares are of the sum: `gap_share` lies between two nodes at least,
    `line_share` between their middles. Raises ValueError where a leaf's amount is not above 0.
    """
    if any(leaf.amount <= 0 for leaf in leaves):
        raise ValueError("a flow has no part of nothing, or of less")
    total = sum(leaf.amount for leaf in leaves)
    columns = len(leaves[0].path) if leaves else 0
    gap, line = round(gap_share * total), round(line_share * total)
    nodes = [node for column in range(columns) for node in _column(leaves, column, first.get(column, ()), gap, line)]
    height = Layout(nodes, [], total).height
    bottoms = {node.column: node.top + node.amount for node in nodes}  # the last one of each column
    nodes = [replace(node, top=node.top + (height - bottoms[node.column]) // 2) for node in nodes]
    return Layout(nodes, _bands(leaves, nodes), total)


def _column(leaves: Sequence[Leaf], column: int, first: Sequence[str], gap: int, line: int) -> list[Node]:
    amounts: dict[str, int] = {}
    for leaf in leaves:
        amounts[leaf.path[column]] = amounts.get(leaf.path[column], 0) + leaf.amount
    places = {name: place for place, name in enumerate(first)}
    nodes: list[Node] = []
    for name in sorted(amounts, key=lambda name: (places.get(name, len(places)), -amounts[name], name)):
        top = 0
        if nodes:
            above = nodes[-1]
            top = above.top + above.amount + max(gap, line - (above.amount + amounts[name]) // 2)
        nodes.append(Node(column, name, amounts[name], top))
    return nodes


def _bands(leaves: Sequence[Leaf], nodes: Sequence[Node]) -> list[Band]:
    """At both of its ends a band lies among its node's others in the order of what they go to, or come from."""
    amounts: dict[tuple[int, str, str, str], int] = {}
    for leaf in leaves:
        for column, (source, target) in enumerate(zip(leaf.path, leaf.path[1:], strict=False)):
            key = (column, source, target, leaf.kind)
            amounts[key] = amounts.get(key, 0) + leaf.amount
    tops = {(node.column, node.name): node.top for node in nodes}

    def order(key: tuple[int, str, str, str], other_end: tuple[int, str]) -> tuple[int, int, str]:
        return (key[0], tops[other_end], key[3])

    leaving, arriving = dict(tops), dict(tops)
    begins, ends = {}, {}
    for key in sorted(amounts, key=lambda key: order(key, (key[0] + 1, key[2]))):
        begins[key] = leaving[key[0], key[1]]
        leaving[key[0], key[1]] += amounts[key]
    for key in sorted(amounts, key=lambda key: order(key, (key[0], key[1]))):
        ends[key] = arriving[key[0] + 1, key[2]]
        arriving[key[0] + 1, key[2]] += amounts[key]
    return [Band(*key, amount, begins[key], ends[key]) for key, amount in amounts.items()]


def edges(flow: Layout, per_unit: float) -> pd.DataFrame:
    """The outlines of the bands, to be drawn as areas: `x` in columns, `top` and `bottom` in units."""
    rows = []
    for number, band in enumerate(flow.bands):
        for point in range(POINTS):
            along = point / (POINTS - 1)
            bent = along * along * (3 - 2 * along)  # level at both ends
            top = band.source_top + (band.target_top - band.source_top) * bent
            rows.append(
                {
                    "band": number,
                    "x": band.column + NODE_WIDTH + (1 - NODE_WIDTH) * along,
                    "top": top / per_unit,
                    "bottom": (top + band.amount) / per_unit,
                    "kind": band.kind,
                    "from": band.source,
                    "to": band.target,
                    "amount": band.amount / per_unit,
                }
            )
    return pd.DataFrame(rows)


def boxes(flow: Layout, per_unit: float) -> pd.DataFrame:
    """The nodes as bars, with their share of the sum, and a label."""
    return pd.DataFrame(
        [
            {
                "x": node.column,
                "x_end": node.column + NODE_WIDTH,
                "top": node.top / per_unit,
                "bottom": (node.top + node.amount) / per_unit,
                "middle": (node.top + node.amount / 2) / per_unit,
                "name": node.name,
                "amount": node.amount / per_unit,
                "share": node.amount / flow.total,
                "label": f"{_per_cent(node.amount / flow.total)} {node.name}",
            }
            for node in flow.nodes
        ]
    )


def _per_cent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "<1%"


def flow_chart(
    flow: Layout,
    per_unit: float,
    unit: str,
    titles: Sequence[str],
    colours: Mapping[str, str],
    text: str,
    behind: str,
) -> alt.LayerChart:
    """`per_unit`: amounts to one `unit`; `titles` name the columns, `colours` are those of the kinds, `text` that of labels,
    which have a halo in the colour `behind` the chart.
    """
    ways = len(titles) - 1 + ROOM
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, ways], nice=False))
    y = alt.Y("top:Q", axis=None, scale=alt.Scale(reverse=True, nice=False))
    amount = alt.Tooltip("amount:Q", format=".6~g", title=unit)
    areas = alt.Chart(edges(flow, per_unit)).mark_area(opacity=0.45).encode(
        x=x,
        y=y,
        y2="bottom:Q",
        detail="band:N",
        color=alt.Color(
            "kind:N",
            title=None,
            scale=alt.Scale(domain=list(colours), range=list(colours.values())),
            legend=alt.Legend(orient="top"),
        ),
        tooltip=[alt.Tooltip("from:N"), alt.Tooltip("to:N"), alt.Tooltip("kind:N"), amount],
    )  # fmt: skip
    nodes = alt.Chart(boxes(flow, per_unit))
    tooltip = [alt.Tooltip("name:N"), amount, alt.Tooltip("share:Q", format=".1%")]
    bars = nodes.mark_rect(color=text, opacity=0.6).encode(
        x=x,
        x2="x_end:Q",
        y=y,
        y2="bottom:Q",
        tooltip=tooltip,
    )  # fmt: skip
    names = [
        nodes.mark_text(
            align="left",
            baseline="middle",
            dx=4,
            fontSize=NAME_PX,
            limit=alt.ExprRef(f"width / {ways} - 12"),  # to the next column, however narrow the screen
            **style,
        ).encode(x=alt.X("x_end:Q", axis=None), y=alt.Y("middle:Q", axis=None), text="label:N", tooltip=tooltip)
        for style in ({"color": behind, "stroke": behind, "strokeWidth": 3, "strokeOpacity": 0.75}, {"color": text})
    ]
    heads = (
        alt.Chart(pd.DataFrame({"x": range(len(titles)), "title": titles}))
        .mark_text(align="left", baseline="bottom", color=text, fontSize=11, fontStyle="italic")
        .encode(x=x, y=alt.value(-8), text="title:N")
    )
    height = round(SUM_PX * flow.height / flow.total) + AROUND_PX
    return alt.layer(areas, bars, *names, heads).properties(padding=PADDING, height=height)
