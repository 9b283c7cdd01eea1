"""One vLLM server by its HTTP API: what goes wrong is one line with its address and the mend.

A server is started in the project's checkout, on a checkpoint of the model that is trained:

    VLLM_SERVER_DEV_MODE=1 python -m vllm.entrypoints.openai.api_server --model models/base --port 8000 \
        --dtype bfloat16 --logprobs-mode processed_logprobs --generation-config vllm \
        --worker-extension-cls stages.engines.vllm.worker.LadderWorker

That is `vllm serve` with the checkout's modules at hand. On a GPU set VLLM_USE_V2_MODEL_RUNNER=1 too: vLLM's second model runner
draws for all requests in one kernel, its first one in a kernel for each request with a seed, as all of ours have. On a CPU add
--enforce-eager: what vLLM compiles there keeps the first weights. VLLM_SERVER_DEV_MODE lets a client call the worker's methods;
such a server belongs in a closed network. Have something start it again that sees it end (systemd's Restart=always, a shell's
`until`): a rung waits for its return and gives it the weights anew (stages/engines/vllm/fleet.py).
"""

from pathlib import Path
from typing import Any

import httpx

from stages.errors import LadderError
from stages.store.files import read_json

START = "start it as the head of stages/engines/vllm/http.py says"
CONNECT_S = 10.0
CONTROL_S = 600.0  # the weights of a large model, read from a shared disk
SAMPLE_S = 3600.0  # a long response in a long queue


def timeout(read_s: float) -> httpx.Timeout:
    return httpx.Timeout(read_s, connect=CONNECT_S)


class Lost(LadderError):
    """A server does not answer, or says that it can't: it may come back."""


class Server:
    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        # A proxy named in the environment is not for these.
        self._client = httpx.Client(base_url=self.address, timeout=timeout(CONTROL_S), trust_env=False)

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"operations.vllm_servers: {self.address}"

    def check(self, checkpoint: Path, dtype: str, max_model_len: int) -> None:
        """Raise LadderError unless it serves the model of `checkpoint` as training needs it."""
        (settings,) = self._call("ladder_settings")
        config = read_json(checkpoint / "config.json")
        wanted = {name: config[name] for name in settings if name in config and name != "dtype"}
        for name, value in (wanted | {"dtype": dtype, "logprobs_mode": "processed_logprobs"}).items():
            if settings[name] != value:
                raise LadderError(
                    f"operations.vllm_servers: {self.address} serves another model or setting: {name} is {settings[name]!r}, "
                    f"{checkpoint} and params.yaml need {value!r}; {START}"
                )
        if settings["max_model_len"] < max_model_len:
            raise LadderError(
                f"operations.vllm_servers: {self.address} has room for {settings['max_model_len']} tokens, prompt and response "
                f"need {max_model_len}; start it with --max-model-len {max_model_len}"
            )

    def replace_weights(self, folder: Path) -> None:
        """Have it load what lies in `folder`; they have no name yet."""
        self._call("ladder_replace_weights", str(folder.resolve()))
        # Its blocks are the old weights' keys and values.
        said = self._post("/reset_prefix_cache", {}, silent=True)
        if said is None:  # vLLM 0.24 does not say whether it could: told to put back what is running, it always can
            self._post("/reset_prefix_cache?reset_running_requests=true", {}, silent=True)
        elif not said["success"]:
            raise LadderError(
                f"operations.vllm_servers: {self.address} is busy with other requests and keeps its prefix cache; a server "
                "serves one rung at a time"
            )

    def name_weights(self, version: str) -> None:
        """Have it remember what its weights are, as long as it lives and no others come."""
        self._call("ladder_name_weights", version)

    def version(self) -> str:
        """What its weights were named; nothing since it was started anew."""
        names: set[str] = set(self._call("ladder_weights_name"))
        return names.pop() if len(names) == 1 else ""

    async def complete(self, client: httpx.AsyncClient, body: dict[str, Any]) -> Any:
        """The one choice of a completion, a whole one. Raises Lost where the server ends before it has answered."""
        try:
            response = await client.post(f"{self.address}/v1/completions", json=body)
        except httpx.HTTPError as error:
            raise self._silent(error) from None
        choice = self._answer("/v1/completions", response)["choices"][0]
        if choice["finish_reason"] not in ("stop", "length"):
            raise Lost(f"{self.named} broke an answer off (finish_reason {choice['finish_reason']!r})")
        return choice

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, *arguments: str) -> list[Any]:
        """The results of a method of the server's workers."""
        results: list[Any] = self._post("/collective_rpc", {"method": method, "args": arguments})["results"]
        return results

    def _post(self, path: str, body: dict[str, Any], silent: bool = False) -> Any:
        """The answer; None where there is none and the server may be `silent`."""
        try:
            response = self._client.post(path, json=body)
        except httpx.HTTPError as error:
            raise self._silent(error) from None
        return self._answer(path, response, silent)

    def _answer(self, path: str, response: httpx.Response, silent: bool = False) -> Any:
        if response.is_success and silent and not response.content:
            return None
        if response.is_success and response.headers.get("content-type", "").startswith("application/json"):
            return response.json()
        detail = " ".join(response.text.split())[:300]
        raise (Lost if response.status_code >= 500 else LadderError)(
            f"operations.vllm_servers: {self.address} answers {response.status_code} to {path} ({detail}); its log says more, "
            f"{START}"
        )

    def _silent(self, error: httpx.HTTPError) -> LadderError:
        hangs = isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout)
        return (LadderError if hangs else Lost)(
            f"operations.vllm_servers: {self.address} does not answer ({type(error).__name__}: {error}); {START}, or correct "
            "the address"
        )
