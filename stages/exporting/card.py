"""The model card of an export: a README with the YAML head that model hubs read, all of it from the record, none of it by hand.

The sections are those of Mitchell et al., "Model Cards for Model Reporting" (arXiv 1810.03993), as far as a record can fill them.
The same record gives the same words, so that a card can be checked.
"""

from collections import Counter
from collections.abc import Iterable

from stages.exporting.card_figures import elsewhere, evaluation, examined, titled
from stages.exporting.manifest import Manifest
from stages.exporting.record import Record, made_by
from stages.params import CHECKPOINTS, GgufBase, HubBase, Params

CARD = "README.md"


def card_of(record: Record, manifest: Manifest) -> str:
    sections = (
        _head(record, manifest),
        _weights(record, manifest),
        _data(record),
        _rungs(record, manifest),
        evaluation(record, manifest),
        elsewhere(record, manifest),
        *([examined(record, manifest)] if record.examined else []),
        _attempts(record),
        _bill(record),
        _rerun(record),
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _head(record: Record, manifest: Manifest) -> list[str]:
    base = record.params.base
    licences = sorted({one for source in record.problems["sources"].values() for one in source["licence"]})
    return [
        "---",
        "library_name: " + ("transformers" if manifest.format == "hf" else "gguf"),
        "pipeline_tag: text-generation",
        *([f"base_model: {base.name}"] if isinstance(base, HubBase) else []),
        "tags: [grpo, math-reasoning]",
        "---",
        "",
        f"# The {manifest.rung} rung of a GRPO ladder",
        "",
        f"Trained by reinforcement learning (GRPO, arXiv 2402.03300) from {_base(record.params)}, up to the {manifest.rung} "
        f"rung: {record.params.rungs.of(manifest.rung).max_response_tokens} tokens an answer. It answers problems of the kind "
        "below. Whether its weights may be passed on is decided by the licence of the base "
        f"and those of the data ({', '.join(licences)}): this card grants nothing.",
    ]


def _base(params: Params) -> str:
    base = params.base
    if isinstance(base, HubBase):
        return f"{base.name} at {base.revision}"
    if isinstance(base, GgufBase):
        return f"{base.path} ({base.pin})"
    return f"a miniature that the ladder itself made (Qwen2, {base.layers} layers of {base.hidden_size})"


def _weights(record: Record, manifest: Manifest) -> list[str]:
    told = "the checkpoint itself, in float32" if manifest.format == "hf" else f"a GGUF of type {manifest.format}"
    files = [f"| {name} | {manifest.sha256[name]} |" for name in manifest.weights]
    return [
        "## Weights",
        "",
        f"These are {told}. DVC's hash of the checkpoint is {manifest.checkpoint_md5}, in `record/dvc.lock` too.",
        "",
        "| file | sha256 |",
        "|-|-|",
        *files,
    ]


def _data(record: Record) -> list[str]:
    sources = [
        f"| {name} | {', '.join(source['split'])} | {', '.join(source['licence'])} | {source['records']} | {source['used']} |"
        f" {'; '.join(f'{count} {why}' for why, count in sorted(source['set_aside'].items())) or '-'} |"
        for name, source in sorted(record.problems["sources"].items())
    ]
    leaks = [leak for leak in record.problems["leaks"]["found"] if leak["removed"]]
    kinds = Counter(leak["kind"] for leak in leaks)
    task = record.params.task
    tables = [
        f"| data/{name}.jsonl | {made_by(record.lock, f'data/{name}.jsonl')[1]} |" for name in ("train", "heldout")
    ]
    return [
        "## Data",
        "",
        "| source | split | licence | records | used | set aside |",
        "|-|-|-|-|-|-|",
        *sources,
        "",
        "| table | md5 |",
        "|-|-|",
        *tables,
        "",
        f"Each is asked as `{_cell(task.prompt)}`, and an answer earns its reward by `{task.reward}`.",
        "",
        f"Training problems that are problems of the examination: {len(leaks)} found and removed"
        + (f" ({'; '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))})." if leaks else "."),
    ]


def _rungs(record: Record, manifest: Manifest) -> list[str]:
    params, grpo = record.params, record.params.grpo
    climbed = CHECKPOINTS[1 : CHECKPOINTS.index(manifest.rung) + 1]
    rows = []
    for name in climbed:
        rung = params.rungs.of(name)
        problems = record.problems["rungs"][name]["problems"]
        rows.append(
            f"| {name} | {rung.max_response_tokens} | {rung.rollouts_per_prompt} | {rung.steps} | {problems} |"
            f" {made_by(record.lock, f'models/{name}')[1]} |"
        )
    return [
        "## Rungs",
        "",
        "| rung | tokens an answer | answers a prompt | steps | problems | checkpoint's md5 |",
        "|-|-|-|-|-|-|",
        *rows,
        "",
        f"Each step took {grpo.prompts_per_step} prompts. Learning rate {grpo.learning_rate:g} ({grpo.lr_scheduler}), clip "
        f"{grpo.clip_low:g} and {grpo.clip_high:g}, KL coefficient {grpo.kl_coef:g}, temperature {grpo.temperature:g}, seed "
        f"{params.seed}. The rest is in `record/params.yaml`.",
    ]


def _attempts(record: Record) -> list[str]:
    ended_badly = [one for one in record.attempts if one["status"] in ("failed", "killed", "pruned")]
    counts = Counter(one["status"] for one in record.attempts)
    rows = [
        f"| {one['id']} | {one['stage']} | {one['began']} | {one['wall_s'] / 60:.2f} | {one['status']} | {_cell(one['why'])} |"
        for one in ended_badly
    ]
    return [
        "## Attempts",
        "",
        f"{len(record.attempts)} in this workspace: {_counted(counts)}. All are in `record/attempts.json`.",
        *titled(
            "Those that ended without a result:", "| attempt | stage | began (UTC) | minutes | status | why |", rows
        ),
    ]


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def _cell(text: str | None) -> str:
    """Text that may hold anything, in a table's cell: it ends no cell and is no HTML."""
    plain = " ".join((text or "").split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return plain[:300]


def _bill(record: Record) -> list[str]:
    bill = record.bill
    made = "not known: not all of it was made here" if bill["made_usd"] is None else f"${bill['made_usd']:.6g}"
    wasted = _sum(bill["wasted_by_reason"].items())
    energy = f"{bill['energy_kwh']:.6g} kWh"
    if bill["energy_estimated_kwh"]:
        energy += f", of which {bill['energy_estimated_kwh']:.6g} are estimated"
    carbon = "" if bill["co2_kg"] is None else f"; {bill['co2_kg']:.3g} kg of CO2"
    prices = [
        f"| {one['device']} | {one['usd_per_hour']:g} | {one['market']} | {one['date']} | {_cell(one['source'])} |"
        for one in bill["prices"]
    ]
    return [
        "## Bill",
        "",
        f"What the present results took to make: {made}. Spent in this workspace in all: ${bill['total_usd']:.6g}, of which "
        f"${bill['wasted_usd']:.6g} were wasted{wasted}. Energy: {energy}{carbon}.",
        *titled("Prices used:", "| device | dollars an hour | market | date | source |", prices),
    ]


def _sum(parts: Iterable[tuple[str, float]]) -> str:
    told = ", ".join(f"{reason} ${usd:.3g}" for reason, usd in parts)
    return f" ({told})" if told else ""


def _rerun(record: Record) -> list[str]:
    commit = record.commit or "COMMIT"
    doubts = "" if record.commit else " The record knows no commit: the code lay in no Git."
    if record.dirty:
        doubts += " The code that was exported from differed from that commit: the hashes of the stages' code are in dvc.lock."
    return [
        "## How to rerun it exactly",
        "",
        "```",
        f"git checkout {commit}",
        "cp record/params.yaml params.yaml",
        "dvc repro",
        "git diff --no-index record/dvc.lock dvc.lock",
        "```",
        "",
        f"The packages are those of `record/compute.txt`.{doubts}",
        "",
        "`python -m stages.export verify DIR` checks that this card, the weights and `record/dvc.lock` belong together.",
    ]
