"""A ladder of one rung in seconds, for sweeps of it."""

from tests.conftest import Project, git, read_yaml, write_yaml

ONE_RUNG = "24k"


def shorten(project: Project) -> Project:
    """Cut the graph of `project` to one rung from the base and its examination, and commit it."""
    path = project.root / "dvc.yaml"
    graph = read_yaml(path)
    stages = graph["stages"]
    kept = {name: stages[name] for name in ("prepare", "base", "curriculum", "train", "sample", "evaluate", "cost")}
    for name in ("curriculum", "train"):
        kept[name] = kept[name] | {"foreach": {ONE_RUNG: {"init": "base"}}}
    kept["sample"] = kept["sample"] | {"foreach": [ONE_RUNG]}
    kept["evaluate"] = kept["evaluate"] | {"foreach": {ONE_RUNG: {"own": ONE_RUNG}}}
    kept["cost"] = kept["cost"] | {"deps": [f"metrics/evaluation/{ONE_RUNG}.json"]}
    write_yaml(path, {"stages": kept, "metrics": graph["metrics"]})
    section = project.root / "stages/params/section.py"
    section.write_text(section.read_text().replace('RUNGS = ("8k", "16k", "24k")', f'RUNGS = ("{ONE_RUNG}",)'))
    git(project.root, "commit", "-qam", "Cut the ladder to a rung")
    return project
