"""What a climb begins no process for: the stages that DVC itself, asked once, calls unchanged."""

from flows.children import DvcChildren
from flows.climb import slots_of
from flows.workspace import Workspace
from stages.graph import load_graph, locked_stages, upstream
from tests.conftest import Project


def test_what_dvc_calls_unchanged_goes_back_to_nothing_that_changed(climbed: Project) -> None:
    graph = load_graph(climbed.root / "dvc.yaml")
    children = DvcChildren(Workspace(climbed.root, "run"), slots_of(1))
    assert children.unchanged(graph) == set(graph) - {"cost"}

    def after(*stages: str) -> set[str]:
        """These, and all that go back to them."""
        found = set(stages)
        while more := {stage for stage in graph if found.intersection(upstream(graph, stage))} - found:
            found |= more
        return found

    climbed.set("rungs.r16k.steps", 3)
    assert children.unchanged(graph) == set(graph) - after("train@16k", "cost")
    climbed.set("rungs.r16k.steps", 2)

    (out,) = locked_stages(climbed.root / "dvc.lock")["base"]["outs"]
    (climbed.root / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]).unlink()
    assert children.unchanged(graph) == {"prepare"}

    (climbed.root / "dvc.yaml").write_text("stages: [")  # the stages themselves will say so
    assert children.unchanged(graph) == set()
