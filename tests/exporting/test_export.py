"""A rung leaves the lab with its record: what belongs together is proved, what does not is refused by name."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.engines.checkpoint import load_checkpoint
from stages.errors import LadderError
from stages.export import export
from stages.exporting.manifest import MANIFEST, hashes
from stages.exporting.verify import verify
from stages.params import parse_yaml
from tests.accounting.booked import book
from tests.conftest import Project, environment_of, write_yaml

CPU = torch.device("cpu")


@pytest.fixture
def exported(climbed: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The 24k rung of a climbed ladder, exported in its checkout."""
    monkeypatch.chdir(climbed.root)
    book(climbed.root / "runs/ledger.db", "failed", stage="train@24k", identity="before")
    export("24k", Path("out"))
    return Path("out")


def test_it_is_loaded_as_it_is_and_its_card_tells_the_record(exported: Path, climbed: Project) -> None:
    climbed.run("stages.export", "verify", str(exported))
    ours = load_checkpoint(Path("models/24k"), CPU)
    model = AutoModelForCausalLM.from_pretrained(exported)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), ours.model.parameters(), strict=True))
    assert AutoTokenizer.from_pretrained(exported)("12+3=").input_ids == ours.tokenizer("12+3=").input_ids

    card = (exported / "README.md").read_text()
    lock = parse_yaml(Path("dvc.lock").read_text())["stages"]
    (md5,) = [out["md5"] for out in lock["train@24k"]["outs"] if out["path"] == "models/24k"]
    assert f"DVC's hash of the checkpoint is {md5}" in card
    bill = json.loads(climbed.run("stages.accounting", "bill", "--json").stdout)
    assert f"Spent in this workspace in all: ${bill['total_usd']:.6g}" in card
    assert f"{bill['attempts']} in this workspace: {bill['attempts'] - 1} done, 1 failed" in card
    (row,) = [line for line in card.splitlines() if line.startswith("|") and "| failed |" in line]
    assert "train@24k" in row
    problems = json.loads(Path("reports/problems.json").read_bytes())
    for name, source in problems["sources"].items():
        assert f"| {name} | {', '.join(source['split'])} | generated | {source['records']} |" in card
    avg = next(
        one for one in json.loads(Path("reports/evaluation.json").read_bytes())["rows"] if one["checkpoint"] == "24k"
    )
    assert f"{100 * avg['value']:.1f} % [{100 * avg['low']:.1f} %, {100 * avg['high']:.1f} %]" in card
    far = json.loads(Path("metrics/elsewhere/24k.json").read_bytes())["weights"]
    assert (
        f"| {far['distance']:.3g} (furthest: {far['furthest']['tensor']}, {far['furthest']['distance']:.3g}) |" in card
    )
    assert card.count("not in its vocabulary") == 4  # two sets, asked of base and rung


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def set_lock(path: Path, md5: str) -> None:
    lock = parse_yaml(path.read_text())
    for entry in lock["stages"].values():
        for out in entry.get("outs", []):
            if out["path"] == "models/24k":
                out["md5"] = md5
    write_yaml(path, lock)


TAMPERED: dict[str, Callable[[Path], object]] = {
    "model.safetensors": lambda folder: flip(folder / "model.safetensors"),
    "README.md": lambda folder: replace(folder / "README.md", " failed", " done"),
    "record/params.yaml": lambda folder: replace(folder / "record/params.yaml", "seed: 0", "seed: 1"),
    "record/dvc.lock": lambda folder: set_lock(folder / "record/dvc.lock", f"{'ab' * 16}.dir"),
    "record/bill.json": lambda folder: replace(folder / "record/bill.json", '"total_usd": ', '"total_usd": 1'),
    "record/attempts.json": lambda folder: (folder / "record/attempts.json").write_text("[1]"),
    "config.json": lambda folder: (folder / "config.json").unlink(),
    "adapter_config.json": lambda folder: (folder / "adapter_config.json").write_text("{}"),
    "more": lambda folder: (folder / "more").symlink_to("/etc"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_changed_is_refused_by_name(exported: Path, name: str) -> None:
    TAMPERED[name](exported)
    with pytest.raises(LadderError, match=rf"^out/{name}: "):
        verify(exported)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model.safetensors", r"^out: its md5 is \w+\.dir, and dvc\.lock records \w+\.dir of train@24k"),
        ("README.md", r"^out/README\.md: not the card that out/record gives"),
        ("record/params.yaml", r"^out/record/params\.yaml: seed is 1, and 0 in the dvc\.lock beside it"),
        (
            "record/dvc.lock",
            r"^out/export\.json: its md5 is \w+\.dir, and dvc\.lock records (ab){16}\.dir of train@24k",
        ),
        ("record/bill.json", r"^out/README\.md: not the card"),
        ("adapter_config.json", r"^out/adapter_config\.json: no file of an export; remove it"),
        ("config.json", r"^out/config\.json: missing, and it is part of the weights"),
        ("record/attempts.json", r"^out/record: no record of an export \(TypeError"),
    ],
)
def test_new_hashes_do_not_make_it_good(exported: Path, name: str, said: str) -> None:
    TAMPERED[name](exported)
    manifest = json.loads((exported / MANIFEST).read_bytes())
    (exported / MANIFEST).write_text(json.dumps(manifest | {"sha256": hashes(exported)}))
    with pytest.raises(LadderError, match=said):
        verify(exported)


def test_a_signature_says_whose_it_is(climbed: Project, tmp_path: Path) -> None:
    for name in ("mine", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
        public = (tmp_path / f"{name}.pub").read_text()
        (tmp_path / f"{name}.signers").write_text(f"{name}@example.org {public}")
    out = climbed.root / "out"
    climbed.run("stages.export", "--rung", "8k", "--to", "out", "--sign", str(tmp_path / "mine"))
    verified = climbed.run("stages.export", "verify", "out", "--signers", str(tmp_path / "mine.signers")).stdout
    assert "the 8k rung belong together, signed by mine@example.org" in verified
    refused = climbed.run("stages.export", "verify", "out", "--signers", str(tmp_path / "other.signers"), check=False)
    assert (refused.returncode, "no signature of out/export.json by anybody in" in refused.stderr) == (2, True)
    (out / MANIFEST).write_text((out / MANIFEST).read_text() + "\n")
    changed = climbed.run("stages.export", "verify", "out", "--signers", str(tmp_path / "mine.signers"), check=False)
    assert (changed.returncode, "no signature of out/export.json" in changed.stderr) == (2, True)
    unable = climbed.run("stages.export", "--rung", "8k", "--to", "new", "--sign", "none", check=False)
    assert (unable.returncode, "--sign none: ssh-keygen did not sign" in unable.stderr) == (2, True)
    assert not (climbed.root / "new").exists()


def test_what_can_not_be_exported_is_one_line_and_leaves_nothing(
    climbed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(climbed.root)
    before = sorted(path.name for path in climbed.root.iterdir())
    with pytest.raises(LadderError, match=r"^--to data: it exists and is no export"):
        export("24k", Path("data"))
    climbed.set("rungs.r24k.steps", 3)
    with pytest.raises(
        LadderError, match=r"^train@24k: dvc\.lock does not record it as the workspace stands; `dvc repro`"
    ):
        export("24k", Path("out"))
    climbed.set("rungs.r24k.steps", 2)
    flip_config = Path("models/24k/config.json")
    flip_config.chmod(0o644)
    kept = flip_config.read_bytes()
    flip_config.write_bytes(kept.replace(b"Qwen2ForCausalLM", b"OtherForCausalLM"))
    with pytest.raises(LadderError, match=r"^models/24k: its md5 is|^sample@24k: dvc\.lock does not record it"):
        export("24k", Path("out"))
    Path("models/24k").rename("models/away")
    with pytest.raises(LadderError, match=r"^models/24k: not trained yet; `dvc repro train@24k` makes it"):
        export("24k", Path("out"))
    Path("models/away").rename("models/24k")
    assert sorted(path.name for path in climbed.root.iterdir()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_is_one_line_and_leaves_nothing(climbed: Project) -> None:
    script = (
        f"mkdir full && mount -t tmpfs -o size=40k tmpfs full && {sys.executable} -m stages.export --rung 8k --to full/out; "
        "code=$?; ls -A full > left; exit $code"
    )
    full = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=climbed.root, env=environment_of({}), capture_output=True, text=True,
    )  # fmt: skip
    assert full.returncode == 2, full.stderr
    assert full.stderr.startswith("error: OSError: [Errno 28] No space left on device")
    assert full.stderr.endswith("; free some, or write to another disk\n")
    assert (climbed.root / "left").read_text() == ""
