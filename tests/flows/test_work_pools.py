"""The work pools' templates, by those who read them: Prefect's server and workers, Kubernetes' models, Docker's client."""

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker.models.containers import _create_container_args
from kubernetes_asyncio.client import ApiClient
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.schema_tools import ValidationError, validate
from prefect.workers.base import BaseJobConfiguration
from prefect_docker.worker import DockerWorker, DockerWorkerJobConfiguration
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from tests.conftest import CHECKOUT, environment_of

pytestmark = pytest.mark.xdist_group("prefect")  # one server for all of them

REPOSITORY = "https://example.org/ladder.git"
NO_PODS_FIELDS = ("parallelism", "completions")  # Prefect asks for them in the pod's spec, where Kubernetes has none


def template(kind: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((CHECKOUT / f"infrastructure/{kind}.json").read_text())
    return read


def rendered(kind: str, configuration: type[Any], server: str, **values: Any) -> Any:
    """The configuration of a flow run by the template and the job variables `values`, as a worker prepares it."""
    validate({"repository": REPOSITORY} | values, template(kind)["variables"], raise_on_error=True)

    async def render() -> BaseJobConfiguration:
        async with PrefectClient(server) as client:
            made: BaseJobConfiguration = await configuration.from_template_and_values(
                template(kind), {"repository": REPOSITORY} | values, client=client
            )
        made.prepare_for_flow_run(FlowRun(name="mini", flow_id=uuid.uuid4()))
        return made

    return asyncio.run(render())


@pytest.mark.parametrize("kind", ["kubernetes", "docker"])
def test_the_server_takes_the_template(kind: str, prefect_server: str, prefect_environment: dict[str, str]) -> None:
    name, file = f"gpu-{kind}", f"infrastructure/{kind}.json"
    made = subprocess.run(
        [sys.executable, "-m", "prefect", "work-pool", "create", name, "--type", kind, "--base-job-template", file],
        cwd=CHECKOUT, env=environment_of(prefect_environment), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{prefect_server}/work_pools/{name}").json()["base_job_template"] == template(kind)


@pytest.mark.parametrize("kind", ["kubernetes", "docker"])
def test_what_is_no_job_variable_is_refused(kind: str) -> None:
    variables = template(kind)["variables"]
    for values in (
        {},
        {"repository": 1},
        {"repository": REPOSITORY, "gpus": "many"},
        {"repository": REPOSITORY, "gpus": -2},
    ):
        with pytest.raises(ValidationError):
            validate(values, variables, raise_on_error=True)


def test_a_kubernetes_job_is_one_by_kubernetes_own_models(prefect_server: str) -> None:
    job = rendered(
        "kubernetes", KubernetesWorkerJobConfiguration, prefect_server, gpus=2, memory="96Gi", cache_claim="cache-a",
        api_url="http://prefect:4200/api", env={"LADDER_SWEEP": "kl"}, node_selector={"gpu": "h100"}, image="ladder:7",
    ).job_manifest  # fmt: skip
    pod = job["spec"]["template"]["spec"]
    for field in NO_PODS_FIELDS:
        del pod[field]
    container = pod["containers"][0]
    for asked in container["resources"].values():
        asked["nvidia.com/gpu"] = str(asked["nvidia.com/gpu"])  # a quantity, which may be a number too
    assert asyncio.run(as_kubernetes_reads(job)) == job  # a field that it doesn't know would be missing
    assert container["image"] == "ladder:7"
    assert container["resources"]["limits"] == {"memory": "96Gi", "nvidia.com/gpu": "2"}
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment["LADDER_LEDGER"] == "/state/ledger.db"
    assert environment["LADDER_REPOSITORY"] == REPOSITORY
    assert (environment["PREFECT_API_URL"], environment["LADDER_SWEEP"]) == ("http://prefect:4200/api", "kl")
    assert "LADDER_DVC_REMOTE" not in environment
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {"cache": "/cache", "state": "/state", "shared-memory": "/dev/shm"}
    assert pod["volumes"][0] == {"name": "cache", "persistentVolumeClaim": {"claimName": "cache-a"}}
    assert pod["nodeSelector"] == {"gpu": "h100"}
    assert container["args"][-2:] == ["flow-run", "execute"]


async def as_kubernetes_reads(job: dict[str, Any]) -> Any:
    async with ApiClient() as client:
        return client.sanitize_for_serialization(client._ApiClient__deserialize(job, "V1Job"))


def test_a_docker_container_is_one_by_dockers_own_client(prefect_server: str) -> None:
    configuration = rendered(
        "docker", DockerWorkerJobConfiguration, prefect_server, gpus=1, memory="32g", dvc_remote="ssh://store/dvc"
    )
    settings = DockerWorker(work_pool_name="gpu-docker")._build_container_settings(_Version(), configuration)
    host = _create_container_args(settings | {"version": "1.47"})["host_config"]
    assert host["DeviceRequests"] == [
        {"Driver": "nvidia", "Count": 1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}
    ]
    assert (host["Memory"], host["ShmSize"], host["Init"]) == (32 * 2**30, 8 * 2**30, True)
    assert host["Binds"][:2] == ["ladder-cache:/cache", "ladder-state:/state"]
    assert settings["environment"]["LADDER_DVC_REMOTE"] == "ssh://store/dvc"
    assert settings["environment"]["LADDER_LEDGER"] == "/state/ledger.db"


class _Version:
    """What the worker asks Docker's daemon, which there needs to be none of to render a container."""

    def version(self) -> dict[str, str]:
        return {"Version": "28.0.0"}


def test_the_image_and_the_template_agree_on_the_places() -> None:
    dockerfile, uid = Path(CHECKOUT, "infrastructure/Dockerfile").read_text(), "10001"
    assert f"useradd --uid {uid}" in dockerfile
    for volume in template("docker")["variables"]["properties"]["volumes"]["default"]:
        assert f" {volume.partition(':')[2]}" in dockerfile
    security = template("kubernetes")["job_configuration"]["job_manifest"]["spec"]["template"]["spec"][
        "securityContext"
    ]
    assert {security["runAsUser"], security["runAsGroup"], security["fsGroup"]} == {int(uid)}
