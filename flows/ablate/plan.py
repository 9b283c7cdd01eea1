"""What an ablation is: named variants of an experiment, each with several seeds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from flows.plan import Plan, plan_experiment
from stages.errors import LadderError
from stages.params import read_yaml, validated
from stages.params.section import Section

FOLDER = Path("profiles/ablations")
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Ablation(Section):
    """A file of profiles/ablations/."""

    name: Name
    profile: str | None
    """A file of profiles/, without .yaml; null: the params.yaml of the checkout."""
    seeds: Annotated[list[Seed], Field(min_length=2)]
    shared: dict[str, JsonValue]
    """Settings of all variants that differ from the profile's: guards, say, so that a divergence is seen."""
    reference: Name
    """The variant that the others are compared with."""
    variants: Annotated[dict[Name, dict[str, JsonValue]], Field(min_length=2)]
    """By name, the settings that differ."""

    @model_validator(mode="after")
    def _compares_with_a_variant(self) -> Self:
        if self.reference not in self.variants:
            raise ValueError(f"reference {self.reference!r} is no variant; choose one of {', '.join(self.variants)}")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {self.seeds}: one is there twice; name each once")
        return self


@dataclass(frozen=True, slots=True)
class Run:
    variant: str
    seed: int
    name: str
    plan: Plan


def read_ablation(path: Path) -> Ablation:
    """Raises LadderError with one line that names every wrong field."""
    if not path.exists():
        known = ", ".join(map(str, sorted(FOLDER.glob("*.yaml"))))
        raise LadderError(f"{path}: there is no such file; choose one of {known}, or write your own")
    return validated(Ablation, read_yaml(path), path, "profiles/ablations/kl.yaml shows every key")


def planned(settings: Ablation) -> list[Run]:
    """Every run, its settings checked. Raises LadderError."""
    return [
        Run(
            variant=variant,
            seed=seed,
            name=f"{settings.name}-{variant}-{seed}",
            plan=plan_experiment(settings.profile, {**settings.shared, **overrides, "seed": seed}),
        )
        for variant, overrides in settings.variants.items()
        for seed in settings.seeds
    ]
