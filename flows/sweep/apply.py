"""A trial's settings into the workspace: `python -m flows.sweep apply BEST|NUMBER`."""

from optuna import Study
from optuna.trial import FrozenTrial

from flows.sweep.study import PARAMS_YAML, TRIAL_PLAN, feasible, ranked
from stages.errors import LadderError
from stages.params import PARAMS
from stages.profile import check_kept
from stages.store.files import write_bytes

BEST = "BEST"


def chosen(study: Study, which: str) -> FrozenTrial:
    """The trial that `which` names: BEST, or a number. Raises LadderError."""
    if which.upper() == BEST:
        best = [trial for trial in ranked(study) if feasible(trial)]
        if not best:
            raise LadderError(
                f"{study.study_name}: no trial has finished and keeps to the constraints; give a trial's number"
            )
        return best[0]
    trials = study.get_trials(deepcopy=False)
    if not which.isdigit() or int(which) >= len(trials):
        raise LadderError(f"{study.study_name}: there is no trial {which!r}; give BEST or a number below {len(trials)}")
    trial = trials[int(which)]
    if PARAMS_YAML not in trial.user_attrs:
        raise LadderError(f"{study.study_name}: trial {which} never began; give another one's number")
    return trial


def apply(trial: FrozenTrial) -> str:
    """Write the trial's params.yaml and return the commit that it was made at. Raises LadderError where that would bury edits."""
    settings = str(trial.user_attrs[PARAMS_YAML]).encode()
    if not PARAMS.exists() or PARAMS.read_bytes() != settings:
        check_kept(f"trial {trial.number}")
        write_bytes(PARAMS, settings)
    return str(trial.user_attrs[TRIAL_PLAN]["commit"])
