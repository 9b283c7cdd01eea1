"""A record holds an experiment whole, tells nothing of its machine, and is refused once a byte of it has changed."""

import getpass
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.accounting.ledger import Ledger
from stages.accounting.records import CPU_CORE, BookedPrice, Device, Failure
from stages.accounting.sharing.comparison import Row, compare
from stages.accounting.sharing.gather import rounded
from stages.accounting.sharing.private import Private
from stages.accounting.sharing.record import checked, read_record
from stages.accounting.sharing.sealed import HASH, MAX_DEPTH, digest, opened, sealed
from stages.errors import LadderError
from tests.conftest import Project

HOME = "/home/somebody"


def fail_here(project: Project) -> None:
    """An attempt at a rung whose error tells all about its machine."""
    ledger = Ledger(project.root / "runs/ledger.db")
    attempt = ledger.start("train@8k")
    ledger.identify(attempt, "other", Device(CPU_CORE, 2), BookedPrice(0.5, None, "own", "undated", "test"), {})
    message = (
        f"{project.root}/data/x.jsonl: broken\x1b[31m; see {HOME}/notes.txt, /mnt/secret/big/cache.bin and "
        f"http://{socket.gethostname()}:8000/v1 ({getpass.getuser()} on {socket.gethostname()}); https://arxiv.org/abs/1 stays"
    )
    ledger.end(attempt, "failed", Failure("error", message))
    ledger.close()


def rows_of(told: dict[str, Any]) -> dict[tuple[str, str], list[Any]]:
    return {(row["section"], row["name"]): [cell["value"] for cell in row["cells"]] for row in told["rows"]}


def test_a_climbed_ladder_goes_out_and_comes_back(climbed: Project, tmp_path: Path) -> None:
    fail_here(climbed)
    climbed.set("operations.vllm_servers", ["http://10.0.0.7:8000"])
    said = climbed.run("stages.accounting", "export", "run.json", HOME=HOME).stdout
    file = (climbed.root / "run.json").read_bytes()
    content = opened(climbed.root / "run.json")
    assert content[HASH] in said
    climbed.run("stages.accounting", "export", "again.json", HOME=HOME)
    assert (climbed.root / "again.json").read_bytes() == file

    bill = json.loads(climbed.run("stages.accounting", "bill", "--json").stdout)
    assert content["bill"]["total_usd"] == bill["total_usd"]
    failed = content["attempts"][-1]
    assert (failed["state"], failed["failure"]["cause"]) == ("failed", "error")
    assert failed["failure"]["message"] == (
        "data/x.jsonl: broken\\x1b[31m; see ~/notes.txt, …/cache.bin and http://HOST/v1 (- on -); https://HOST/abs/1 stays"
    )
    for private in (str(climbed.root), socket.gethostname(), "somebody", "secret", "10.0.0.7"):
        assert private not in json.dumps(content, ensure_ascii=False)
    report = json.loads((climbed.root / "reports/evaluation.json").read_bytes())
    assert content["evaluation"] == report
    assert content["made"]["train@8k"]["outs"].keys() == {"models/8k", "metrics/train/8k.csv", "samples/train/8k.jsonl"}
    assert [len(content["train"][rung]["reward"]) for rung in ("8k", "16k", "24k")] == [2, 2, 2]
    trained = next(attempt for attempt in content["attempts"] if attempt["stage"] == "train@8k")
    assert trained["steps"]["step"] == [1, 2]
    assert sum(trained["steps"]["sampled_tokens"]) == trained["totals"]["sampled_tokens"]

    climbed.set("grpo.learning_rate", 0.05)
    command = ("stages.accounting", "import", "run.json", "--json", "--at-price", f"{CPU_CORE}=36")
    told = json.loads(climbed.run(*command).stdout)
    kept = climbed.root / f"runs/records/{content[HASH][:16]}.json"
    assert kept.read_bytes() == file
    assert told["experiments"] == ["here", kept.stem]
    rows = rows_of(told)
    assert [key for key in rows if key[0] == "settings that differ"] == [("settings that differ", "grpo.learning_rate")]
    assert rows["settings that differ", "grpo.learning_rate"] == ["0.05", "0.003"]
    assert rows["dollars", "spent"] == [bill["total_usd"]] * 2
    core_s = sum(row["seconds"] * row["device_count"] for row in bill["rows"])
    assert rows["dollars", "spent at the same price"] == pytest.approx([core_s / 100] * 2)
    assert rows["experiment", "failed"] == [1, 1]
    (row,) = (row for row in report["rows"] if (row["checkpoint"], row["at"], row["metric"]) == ("8k", "full", "avg@2"))
    assert rows["accuracy", f"8k {row['benchmark']}"] == [row["value"]] * 2

    before = kept.stat().st_mtime_ns
    climbed.run(*command)
    assert kept.stat().st_mtime_ns == before
    table = climbed.run("stages.accounting", "compare").stdout
    assert "grpo.learning_rate" in table
    assert kept.stem in table

    refused = climbed.run("stages.accounting", "export", "params.yaml", check=False)
    assert (refused.returncode, "params.yaml: exists" in refused.stderr) == (2, True)


def test_what_has_not_been_made_is_null_and_no_ledger_is_refused(project: Project) -> None:
    for command in (("export", "run.json"), ("compare",)):
        refused = project.run("stages.accounting", *command, check=False)
        assert refused.returncode == 2
        assert "no ledger" in refused.stderr
    fail_here(project)
    project.run("stages.accounting", "export", "run.json", "--run", "last")
    content = opened(project.root / "run.json")
    assert content["evaluation"] is None
    assert content["problems"] is None
    assert set(content["train"].values()) == {None}
    assert content["made"] == {}
    assert [attempt["totals"] for attempt in content["attempts"]] == [None]
    assert content["scope"]["run"] == content["attempts"][0]["origin"]["run"]
    assert "\naccuracy\n" not in project.run("stages.accounting", "import", "run.json").stdout


CONTENT: dict[str, Any] = {
    "params": {"seed": 0, "base": {"kind": "miniature"}},
    "commit": "c" * 40,
    "dirty": False,
    "evaluation": None,
    "attempts": [{"state": "done", "totals": {"sampled_tokens": 10, "trained_tokens": 5}}],
    "bill": {
        "total_usd": 2.0,
        "seconds": 3600.0,
        "wasted_by_reason": {"idle": 0.5},
        "made": {"seconds": 1800.0},
        "made_usd": 1.0,
        "unknown_stages": [],
        "unpriced_attempts": 0,
        "energy_kwh": 0.25,
        "prices": [],
        "unit_costs": {"usd_per_accuracy_point": None, "usd_per_million_trained_tokens": 1e-7},
        "rows": [{"device": "GPU", "device_count": 2, "seconds": 3600.0, "usd": 2.0, "wasted": {"idle": 0.5}}],
    },
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records") / "run.json"


@given(st.data())
def test_a_flipped_byte_anywhere_is_refused(path: Path, data: st.DataObject) -> None:
    file = bytearray(sealed(CONTENT))
    path.write_bytes(file)
    assert read_record(path).bill.total_usd == 2.0
    file[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(file)
    with pytest.raises(LadderError, match=r"run\.json"):
        read_record(path)


def resealed(**changes: Any) -> bytes:
    """A record that somebody changed and sealed again, by hand: with what `sealed` itself would refuse."""
    content = json.loads(sealed(CONTENT)) | changes
    content[HASH] = ""
    try:
        content[HASH] = digest(content)
    except ValueError:  # not finite
        content[HASH] = "0" * 64
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode() + b"\n"


DEEP: list[Any] = []
for _ in range(MAX_DEPTH):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"\x80\x04pickle", "not JSON"),
        (b'{"seed": 0}', "kind"),
        (b"[" * 100_000, "nested 100000 deep"),
        (resealed(params={"deep": DEEP}), "deep"),
        (resealed(schema=99), "schema 99"),
        (resealed(kind="else"), "kind"),
        (resealed(commit="\x1b[2J"), "control characters"),
        (resealed(params={"see\u202ed": 1}), "control characters"),
        (resealed(params={"two\nlines": 1}), "control characters"),
        (b'{"' + b'\\"' * 1_000_000 + b"\\\n", "not JSON"),
        (resealed(params={"seed": 2**70}), "params.seed"),
        (resealed(params={"seed": float("nan")}), "params.seed"),
        (resealed(bill=CONTENT["bill"] | {"total_usd": "two"}), "bill.total_usd"),
        (resealed(dirty=True).replace(b'"dirty":true', b'"dirty":false'), "changed since it was exported"),
        (json.dumps(json.loads(sealed(CONTENT)), indent=2).encode(), "not written as it was exported"),
    ],
)  # fmt: skip
def test_what_is_no_intact_record_is_one_error(path: Path, file: bytes, said: str) -> None:
    path.write_bytes(file)
    with pytest.raises(LadderError, match=r"run\.json") as refused:
        read_record(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert str(refused.value).isprintable()


def test_one_that_is_too_large_is_refused_unread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.accounting.sharing.sealed.MAX_BYTES", len(sealed(CONTENT)) - 1)
    with pytest.raises(LadderError, match="--run NAME"):
        sealed(CONTENT)
    monkeypatch.undo()
    path.write_bytes(sealed(CONTENT))
    monkeypatch.setattr("stages.accounting.sharing.sealed.MAX_BYTES", len(sealed(CONTENT)) - 1)
    with pytest.raises(LadderError, match="larger than"):
        read_record(path)


def figures(rows: list[Row]) -> dict[str, list[Any]]:
    return {f"{row.section}: {row.name}": [cell.value for cell in row.cells] for row in rows}


def test_the_order_of_a_settings_keys_is_no_difference() -> None:
    bands = [[{"low": 3, "high": 5}], [{"high": 5, "low": 3}]]
    records = [checked(CONTENT | {HASH: "1", "params": {"rungs": {"r8k": each}}}, Path("one")) for each in bands]
    assert not [row for row in compare(records) if row.section == "settings that differ"]


def test_side_by_side_by_hand() -> None:
    one = checked(CONTENT | {HASH: "1"}, Path("one"))
    unmade = CONTENT["bill"] | {"unknown_stages": ["base"], "made_usd": None, "rows": [], "total_usd": 0.0}
    params = {"seed": 1, "base": {"kind": "miniature"}, "new": [1, None]}
    other = checked(CONTENT | {HASH: "2", "params": params, "bill": unmade}, Path("other"))
    said = figures(compare([one, other], {"GPU": 3.0}))
    assert said["settings that differ: seed"] == ["0", "1"]
    assert said["settings that differ: new"] == [None, "[1, null]"]
    assert "settings that differ: base.kind" not in said
    assert said["dollars: made"] == [1.0, None]
    assert said["dollars: spent at the same price"] == [6.0, 0.0]
    assert said["minutes: made"] == [30.0, None]
    assert said["minutes: wasted: idle"] == [15.0, None]
    assert said["device-hours: GPU"] == [2.0, None]
    assert said["tokens: trained"] == [5.0, 5.0]
    unpriced = figures(compare([one, other], {"TPU": 3.0}))
    assert unpriced["dollars: spent at the same price"] == [None, 0.0]


PRIVATE = Private(("/work/a/b", "/work/a"), "/home/me", ("node-7", "me"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/work/a/b/params.yaml: wrong", "params.yaml: wrong"),
        ("in /work/a/b", "in ."),
        ("/work/a/c.txt and /work/ab/c.txt", "c.txt and …/c.txt"),
        ("('/home/me/x', '/home/men/x')", "('~/x', '…/x')"),
        ("hub owner/data@1:a/b.json, 24/44/68, ./a/b", "hub owner/data@1:a/b.json, 24/44/68, ./a/b"),
        ("file:///srv/data/x.json", "…/x.json"),
        ("me at node-7, node-77 and me-too", "- at -, node-77 and me-too"),
    ],
)  # fmt: skip
def test_paths_and_names_are_taken_out_of_a_message(text: str, left: str) -> None:
    assert PRIVATE.message(text) == left


def test_figures_are_rounded_to_significant_digits() -> None:
    assert [rounded(value, 4) for value in (123456.0, 1234.567, 0.00012345678, 0.0)] == [123456, 1235, 0.0001235, 0]
