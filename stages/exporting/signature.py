"""Who made an export: a signature of its manifest by an SSH key, as git signs commits (ssh-keygen(1), -Y)."""

import subprocess
from pathlib import Path

from stages.errors import LadderError
from stages.exporting.manifest import MANIFEST, SIGNATURE

NAMESPACE = "grpo-ladder"


def sign(folder: Path, key: Path) -> None:
    """Write the manifest's signature beside it. Raises LadderError where ssh-keygen can't."""
    done = _ssh_keygen("sign", "-q", "-f", str(key), "-n", NAMESPACE, str(folder / MANIFEST))
    if done.returncode != 0:
        raise LadderError(f"--sign {key}: ssh-keygen did not sign ({_said(done)}); give the file of a private SSH key")


def signer(folder: Path, signers: Path) -> str:
    """Who of `signers` (a file as ssh-keygen's ALLOWED SIGNERS) has signed the manifest. Raises LadderError where nobody has."""
    signature = folder / SIGNATURE
    if not signature.exists():
        raise LadderError(f"{signature}: missing, so that nobody in {signers} vouches for it; ask for a signed export")
    if not signers.exists():
        raise LadderError(f"--signers {signers}: missing; a line of it is `NAME ssh-ed25519 AAAA...`")
    found = _ssh_keygen("find-principals", "-s", str(signature), "-f", str(signers))
    for name in found.stdout.decode().splitlines() if found.returncode == 0 else []:
        good = _ssh_keygen(
            "verify", "-f", str(signers), "-I", name, "-n", NAMESPACE, "-s", str(signature),
            stdin=(folder / MANIFEST).read_bytes(),
        )  # fmt: skip
        if good.returncode == 0:
            return name
    raise LadderError(f"{signature}: no signature of {folder / MANIFEST} by anybody in {signers}; don't trust it")


def _ssh_keygen(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", "-Y", *arguments], input=stdin, capture_output=True)
    except FileNotFoundError:
        raise LadderError("ssh-keygen: not installed; OpenSSH brings it") from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join((done.stderr or done.stdout).decode(errors="replace").split())[:200]
