"""What of the graph is as it would be made now: that is done, all else is still to come, whatever was made once."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.accounting.reading import LedgerReader, Scope
from stages.errors import LadderError
from stages.graph import in_order, load_graph, locked_identities, locked_stages, upstream, workspace_identity


@dataclass(frozen=True, slots=True)
class Present:
    """`stages`: all that book themselves, in order. `identities`: what they would be made from now, of those whose inputs are
    there and will stay as they are. `made`: those of them that are made from just that."""

    stages: tuple[str, ...]
    identities: Mapping[str, str]
    made: frozenset[str]


def read_present(ledger: LedgerReader, scope: Scope) -> Present:
    """By the workspace's dvc.yaml and dvc.lock; of stages that were called by themselves, which no lock records, by the ledger.

    Raises LadderError where one of the two files is broken.
    """
    graph, locked, entries = load_graph(), locked_identities(), locked_stages()
    finished = {(one.stage, one.identity) for one in ledger.attempts(scope) if one.status == "done"}
    stages = tuple(stage for stage in in_order(graph) if not graph[stage].always_changed)
    identities: dict[str, str] = {}
    made: set[str] = set()
    hashes: dict[str, str] = {}
    for stage in stages:
        if not made.issuperset(upstream(graph, stage)):
            continue
        try:
            identity = workspace_identity(graph[stage], hashes)
        except LadderError:  # an input is missing: it, too, is still to come
            continue
        identities[stage] = identity
        if locked[stage] == identity if stage in locked else (stage, identity) in finished:
            made.add(stage)
            # By DVC's record: checkpoints take long to hash, and DVC brings those back that are not there.
            hashes |= {out["path"]: out["md5"] for out in entries.get(stage, {}).get("outs", [])}
    return Present(stages, identities, frozenset(made))
