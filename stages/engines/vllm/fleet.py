"""The servers of a rung with the weights of one version; one that was lost is waited for, given them anew and proved again.

Who starts a dead server again is its supervisor (systemd, Docker, Kubernetes, a shell's loop): it was not started here. A server
that comes back has the weights that it was started with and says so (`ladder_settings`), so nothing that it samples before it is
given the others is used. Its proof then is the one that it gave before: asked the same prompts with the same seeds, it has to
give the same tokens the same log-probabilities as the answers that the trainer proved. No trainer takes part, since a rung's
ranks lose a server at different places and have nothing to wait for each other with.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from stages.engines.protocols import Rollout
from stages.engines.vllm.http import Lost, Server
from stages.engines.vllm.proof import Answers, Proof
from stages.errors import LadderError
from stages.process import try_lock

LOCKS = Path("runs/servers")
PATIENCE_S = 900.0  # for a server's return: its supervisor's delay, and the minutes that vLLM takes to start
POLL_S = 1.0
TIMES_LOST = 5  # in one rollout; a server that dies of what it is asked would die for ever


@dataclass(frozen=True, slots=True)
class Weights:
    """What the servers are to sample from: the `version` that lies in `folder`, a checkpoint or an exchange."""

    version: str
    folder: Path


class Fleet:
    """`checkpoint`, `dtype` and `max_model_len` say what a server has to serve; `ask` has one answer the proof's prompts."""

    def __init__(
        self,
        servers: Sequence[Server],
        checkpoint: Path,
        dtype: str,
        max_model_len: int,
        proof: Proof | None,
        ask: Callable[[Server], list[Rollout]],
    ) -> None:
        self.servers = servers
        self._wanted = (checkpoint, dtype, max_model_len)
        self._proof = proof
        self._ask = ask
        self._weights = Weights("", checkpoint)
        self._proved: dict[str, list[Rollout]] = {}

    def start(self, weights: Weights) -> None:
        """Have every server load `weights`, at once or not at all: who has just started a rung can mend an address."""
        self.take(weights)
        for server in self.servers:
            self._give(server)

    def take(self, weights: Weights) -> None:
        """From now on a server is to have `weights`, which nobody has proved yet."""
        self._weights, self._proved = weights, {}

    def proved(self, answers: dict[str, list[Rollout]]) -> None:
        """The trainer has proved these answers of the servers, by their addresses."""
        self._proved = answers

    def has_weights(self, server: Server) -> bool:
        """Whether it has them still; a server that was started again has not. Raises Lost."""
        return server.version() == self._weights.version

    def ensure(self, server: Server) -> None:
        """Wait until `server` has the weights, giving them to it if it is back without. Raises LadderError (cause `device`)."""
        deadline, told = time.monotonic() + PATIENCE_S, False
        while True:
            try:
                if self.has_weights(server):
                    return
                with _alone(server, deadline):
                    if not self.has_weights(server):
                        self._give(server)
                    return
            except Lost as lost:
                if time.monotonic() > deadline:
                    raise given_up(f"{lost}; it was waited for {PATIENCE_S:.0f} s") from None
                if not told:
                    print(f"{lost}; waiting for its return, {PATIENCE_S:.0f} s at most", file=sys.stderr, flush=True)
                    told = True
            time.sleep(POLL_S)

    def _give(self, server: Server) -> None:
        server.check(*self._wanted)
        server.replace_weights(self._weights.folder)
        known = self._proved.get(server.address)
        if self._proof is not None and known is not None:
            self._proof.check_again(Answers(server.named, self._ask(server)), known)
        server.name_weights(self._weights.version)  # last: who reads the name may believe it


def given_up(why: str) -> LadderError:
    """What is raised where servers don't come back: another attempt, later, may find them there."""
    error = LadderError(why)
    error.cause = "device"
    return error


@contextmanager
def _alone(server: Server, deadline: float) -> Iterator[None]:
    """One rank of this host at a time: the others find the weights there, and sample from them at once."""
    while (file := try_lock(LOCKS / f"{quote(server.address, safe='')}.return")) is None:
        if time.monotonic() > deadline:
            raise Lost(f"{server.named}: another rank still gives it its weights")
        time.sleep(POLL_S)
    with file:
        yield
