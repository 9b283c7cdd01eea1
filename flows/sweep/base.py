"""What all trials of a sweep have in common: the checkout as it stands, its settings, and how the study knows them again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.overrides import Overrides
from flows.plan import Plan, plan_experiment, settings_file
from flows.sweep.space import check_space
from stages.accounting.prices import read_prices
from stages.accounting.records import CPU_CORE
from stages.graph import load_graph
from stages.params import Params, parse_yaml
from stages.store.digest import md5

SWEEPS = Path("runs/sweeps")


@dataclass(frozen=True, slots=True)
class Base:
    """What every trial differs from in its point alone: the checkout as it stands, and its settings."""

    plan: Plan
    params: Params
    source: Path
    """A copy of the settings as they are when the sweep is started: an edit in the meantime changes no trial."""

    def begun(self) -> dict[str, Any]:
        """By which the study knows that it goes on with the same search, in words and hashes."""
        settings = parse_yaml(self.plan.params.decode())
        chosen = settings["sweep"]
        for path in self.params.sweep.space:
            *sections, last = path.split(".")
            node = settings
            for section in sections:
                node = node[section]
            node[last] = None  # searched: where the search starts from is no matter
        graph = load_graph()
        made = {out for spec in graph.values() for out in spec.outs}
        needed = sorted({dep for spec in graph.values() for dep in spec.deps} - made)
        return {
            **{key: chosen[key] for key in ("space", "sampler", "seed", "objectives", "constraints")},
            "settings": {key: value for key, value in settings.items() if key not in ("operations", "sweep")},
            "code": {dep: md5(Path(dep)) for dep in needed},
            "commit": self.plan.commit,
        }


def plan_base(profile: str | None, overrides: Overrides) -> Base:
    """Check the settings, the space and the prices before anything starts. Raises LadderError."""
    plan = plan_experiment(profile, overrides)
    params = Params.model_validate(parse_yaml(plan.params.decode()))
    check_space(settings_file(profile), overrides, params.sweep)
    read_prices().price_of(CPU_CORE, params.operations.market, params.operations.prices)
    return Base(plan, params, SWEEPS / f"{params.sweep.name}.yaml")
