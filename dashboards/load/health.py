"""Is a run healthy, in words: by rules that say what they look at. A rule that finds nothing says nothing.

A rule looks at the last `WINDOW` steps of the rung that runs, or ran last (half of them where it has fewer than two windows), and
compares them with those before them, or with the rung's first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

WINDOW = 20  # steps
WATCHED = ("reward", "kl", "entropy", "grad_norm")
LEAST = 5  # steps of a rung below which its course says nothing
Level = Literal["stopped", "bad", "watch", "early", "good"]
LEVELS: Sequence[Level] = ("stopped", "bad", "watch", "early", "good")  # the worst first


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    said: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A rung's steps: all of them, the last ones, and those before these."""

    rung: str
    steps: pd.DataFrame
    last: pd.DataFrame
    before: pd.DataFrame
    guards: Mapping[str, Any]

    def mean(self, column: str) -> tuple[float, float] | None:
        """Of the steps before, of the last; None where either is not known."""
        if column not in self.steps or self.before.empty:
            return None
        pair = float(self.before[column].mean()), float(self.last[column].mean())
        return pair if np.isfinite(pair).all() else None

    def at_end(self, column: str) -> float | None:
        value = self.last[column].mean() if column in self.last else None
        return float(value) if value is not None and np.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Rule:
    """`states` is what the page says of it."""

    states: str
    finds: Callable[[Stretch], Finding | None]


def health_of(steps: pd.DataFrame, guards: Mapping[str, Any], fired: Sequence[str] = ()) -> list[Finding]:
    """What the rules find, the worst first; one good line where they find nothing. `guards` are params.yaml's."""
    if fired:
        return [Finding("stopped", said) for said in fired]
    if steps.empty:
        return []
    rung = str(steps["rung"].iloc[-1])
    mine = steps[steps["rung"] == rung]
    if len(mine) < LEAST:
        return [Finding("early", f"{rung} has {len(mine)} step(s): too few for a judgement")]
    window = min(WINDOW, len(mine) // 2)
    stretch = Stretch(rung, mine, mine.iloc[-window:], mine.iloc[-2 * window : -window], guards)
    found = [finding for rule in RULES if (finding := rule.finds(stretch)) is not None]
    found.sort(key=lambda finding: LEVELS.index(finding.level))
    calm = f"{rung}: nothing of note in its last {window} steps ({len(RULES)} rules)"
    return found or [Finding("good", calm)]


def _kl(of: Stretch) -> Finding | None:
    pair, limit = of.mean("kl"), of.guards.get("max_kl")
    guard = "no guard on it" if limit is None else f"guard at {limit:g}"
    if pair is None:
        return None
    before, last = pair
    if limit is not None and last > 0.7 * limit:
        return Finding("bad", f"KL is {last:.3g} nats a token; {guard}")
    if last > 3 * before and last > 0.01:
        times = f"{last / before:.1f}x" if before > 1e-6 else "from nothing"
        return Finding("watch", f"KL rose {times} in the last {len(of.last)} steps, to {last:.3g}; {guard}")
    return Finding("watch", f"KL is {last:.3g} nats a token; {guard}") if last > 1 else None


def _finite(of: Stretch) -> Finding | None:
    """Of the steps that were trained on: others have no figures. Without a KL term no step has a KL."""
    trained = of.last[of.last["trained_tokens"] > 0] if "trained_tokens" in of.last else of.last
    seen = [name for name in WATCHED if name in trained and not (name == "kl" and of.steps["kl"].isna().all())]
    lost = [name for name in seen if not np.isfinite(trained[name].to_numpy(dtype=float)).all()]
    return Finding("bad", f"{', '.join(lost)}: not finite in the last {len(of.last)} steps") if lost else None


def _entropy(of: Stretch) -> Finding | None:
    first, last = float(of.steps["entropy"].iloc[:LEAST].mean()), of.at_end("entropy")
    if last is None or not first > 0:
        return None
    if last < 0.2 * first:
        reward = of.at_end("reward") or 0.0
        level: Level = "watch" if reward > 0.8 else "bad"  # who is nearly always right has little to explore
        return Finding(level, f"entropy fell from {first:.3g} to {last:.3g} nats a token: the policy hardly explores")
    if last > 3 * first:
        return Finding("bad", f"entropy rose {last / first:.1f}x since the rung began, to {last:.3g} nats a token")
    return None


def _reward(of: Stretch) -> Finding | None:
    last = of.at_end("reward")
    best = of.steps["reward"].rolling(len(of.last), min_periods=len(of.last)).mean().max()
    if last is not None and last < best - 0.1:
        return Finding("bad", f"reward fell to {last:.2f}; the best {len(of.last)} steps of the rung had {best:.2f}")
    if last == 0:
        return Finding("bad", f"no right answer in the last {len(of.last)} steps")
    return None


def _gradient(of: Stretch) -> Finding | None:
    usual, most = of.steps["grad_norm"].median(), of.last["grad_norm"].max()
    if most > 10 * usual and most > 0.01:
        times = f", {most / usual:.0f}x the rung's median" if usual > 0 else "; the rung's median is 0"
        return Finding("watch", f"gradient norm reached {most:.3g}{times}")
    return None


def _skipped(of: Stretch) -> Finding | None:
    skipped = int(of.steps["skipped_updates"].sum())
    recent = int(of.last["skipped_updates"].sum())
    if recent:
        return Finding("bad", f"{recent} update(s) of the last {len(of.last)} steps were not finite and were skipped")
    return Finding("watch", f"{skipped} update(s) of the rung were not finite and were skipped") if skipped else None


def _truncated(of: Stretch) -> Finding | None:
    share = of.at_end("completions/clipped_ratio")
    if share is not None and share > 0.3:
        level: Level = "bad" if share > 0.6 else "watch"
        return Finding(level, f"the context cuts {share:.0%} of the completions: the next rung may relieve it")
    return None


def _teaching(of: Stretch) -> Finding | None:
    share = of.at_end("frac_reward_zero_std")
    if share is not None and share > 0.8:
        return Finding("watch", f"{share:.0%} of the groups teach nothing (all right or all wrong)")
    return None


def _sampler(of: Stretch) -> Finding | None:
    gap = of.at_end("sampling/sampling_logp_difference/mean")
    if gap is not None and gap > 0.05:
        level: Level = "bad" if gap > 0.2 else "watch"
        return Finding(level, f"sampler and trainer differ by {gap:.3g} nats a token")
    return None


RULES = (
    Rule("reward, KL, entropy, gradient norm: a step that was trained on without a finite figure", _finite),
    Rule("KL: more than 3 times the steps before and above .01, above 1, or above 70 % of guards.max_kl", _kl),
    Rule("entropy: below a fifth, or above 3 times, of the rung's first 5 steps", _entropy),
    Rule("reward: more than .1 below the rung's best stretch of as many steps, or 0", _reward),
    Rule("gradient norm: a step above 10 times the rung's median and .01", _gradient),
    Rule("skipped updates: any", _skipped),
    Rule("truncated: above 30 % (bad: 60 %)", _truncated),
    Rule("groups that teach nothing: above 80 %", _teaching),
    Rule("sampler-trainer gap: above .05 nats a token (bad: .2)", _sampler),
)
