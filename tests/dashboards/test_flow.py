"""A flow's bands have no gap and no overlap: whatever goes in comes out, to the last unit."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts.flow import Band, Node, boxes, edges, flow_chart, layout, with_small_ones_joined
from dashboards.load.spend import Leaf

NAMES = st.sampled_from(["a", "b", "c", "d"])
LEAVES = st.lists(
    st.builds(
        lambda path, kind, amount: Leaf(("all", *path), kind, amount),
        st.tuples(NAMES, NAMES, NAMES),
        st.sampled_from(["useful", "wasted"]),
        st.integers(1, 10**16),
    ),
    min_size=1,
    max_size=12,
)


@given(LEAVES, st.floats(0, 0.1))
def test_widths_add_up_at_every_column(leaves: list[Leaf], gap: float) -> None:
    flow = layout(leaves, {3: ["c"]}, gap)
    total = sum(leaf.amount for leaf in leaves)
    assert flow.total == total
    for column in range(4):
        nodes = [node for node in flow.nodes if node.column == column]
        assert sum(node.amount for node in nodes) == total
        for above, below in pairwise(nodes):
            assert above.top + above.amount <= below.top
    for column in range(3):
        assert sum(band.amount for band in flow.bands if band.column == column) == total
    for node in flow.nodes:
        leaving = [(band.source_top, band.amount) for band in flow.bands if _of(band, node, 0)]
        arriving = [(band.target_top, band.amount) for band in flow.bands if _of(band, node, 1)]
        for side in (leaving if node.column < 3 else [], arriving if node.column > 0 else []):
            at = node.top
            for top, amount in sorted(side):
                assert top == at
                at += amount
            assert not side or at == node.top + node.amount
        assert (node.column == 3) == (not leaving)


def _of(band: Band, node: Node, end: int) -> bool:
    return (band.column + end, (band.source, band.target)[end]) == (node.column, node.name)


def test_named_ones_stand_on_top_then_the_largest() -> None:
    leaves = [Leaf(("all", name), "k", amount) for name, amount in (("x", 1), ("useful", 2), ("y", 5))]
    flow = layout(leaves, {1: ["useful"]}, gap_share=0.125)
    assert [(node.name, node.top) for node in flow.nodes] == [("all", 1), ("useful", 0), ("y", 3), ("x", 9)]
    assert [(band.target, band.source_top, band.target_top) for band in flow.bands] == [
        ("x", 8, 9), ("useful", 1, 0), ("y", 3, 3),
    ]  # fmt: skip


def test_each_node_has_a_line_for_its_name() -> None:
    leaves = [Leaf(("all", name), "k", amount) for name, amount in (("big", 985), ("s", 10), ("t", 4), ("u", 1))]
    flow = layout(leaves, {}, gap_share=0.01, line_share=0.05)
    middles = [node.top + node.amount / 2 for node in flow.nodes if node.column == 1]
    assert all(below - above >= 50 for above, below in pairwise(middles))
    assert boxes(flow, 1)["label"].tolist() == ["100% all", "98% big", "1% s", "<1% t", "<1% u"]


def test_small_ones_are_joined_where_they_are_several() -> None:
    leaves = [Leaf(("all", name, "p"), "k", amount) for name, amount in (("big", 98), ("s", 1), ("t", 1))]
    joined = with_small_ones_joined(leaves, 1, 0.02, "others")
    assert [leaf.path for leaf in joined] == [("all", "big", "p"), ("all", "others", "p"), ("all", "others", "p")]
    assert with_small_ones_joined(leaves[:2], 1, 0.02, "others") == leaves[:2]


def test_a_part_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        layout([Leaf(("all", "a"), "k", 0)], {})


def test_the_drawing_is_what_the_layout_says() -> None:
    leaves = [Leaf(("all", "a"), "useful", 3_000), Leaf(("all", "b"), "wasted", 1_000)]
    flow = layout(leaves, {1: ["a"]})
    outline = edges(flow, 1_000)
    assert ((outline["bottom"] - outline["top"]).round(9) == outline["amount"]).all()
    bands = outline.groupby(["to", "kind"])["amount"].first().to_dict()
    assert bands == {("a", "useful"): 3.0, ("b", "wasted"): 1.0}
    drawn = flow_chart(
        flow, 1_000, "dollars", ["all", "to"], {"useful": "#111111", "wasted": "#222222"}, "#777777", "#FFFFFF"
    )
    assert len(drawn.to_dict()["layer"]) == 5
