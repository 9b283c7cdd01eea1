"""`make serve`: one process that has all others, says in a line what it lacks, and leaves none behind."""

import socket
import subprocess
import sys

import httpx
import psutil

from flows.prefect_setup import SILENT
from tests.conftest import Project, environment_of
from tests.flows.conftest import SETTINGS
from tests.flows.served import LIMIT_S, free_port

SET_UP = "import sys; from flows.prefect_setup import set_up; set_up('local', int(sys.argv[1]))"


def test_it_has_a_server_of_its_own_that_kill_9_takes_along(project: Project) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.serve", "--port", str(port)],
        cwd=project.root, env=environment_of(SETTINGS), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    told = process.stdout.readline()
    while told and "started!" not in told:
        if "serving this checkout" in told:
            assert f"http://127.0.0.1:{port};" in told
            assert (
                f"PREFECT_API_URL=http://127.0.0.1:{port}/api .venv/bin/prefect deployment run"
                in process.stdout.readline()
            )
        told = process.stdout.readline()
    with httpx.Client(trust_env=False, base_url=f"http://127.0.0.1:{port}/api") as client:
        assert client.get("/deployments/name/ladder/mini").json()["job_variables"]["working_dir"] == str(project.root)
    running = psutil.Process(process.pid).children(recursive=True)
    assert len(running) == 2  # the server, the worker
    second = project.run("flows.serve", "--port", str(port), check=False)
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert "`make serve` already runs in this checkout" in second.stderr
    process.kill()
    _, alive = psutil.wait_procs(running, timeout=LIMIT_S)
    assert not alive


def test_where_no_server_can_be_had_it_says_so_in_one_line(project: Project) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = project.run("flows.serve", "--port", str(port), check=False)
    gone = project.run("flows.serve", check=False, PREFECT_API_URL="http://prefect.invalid:4200/api")
    assert [(done.returncode, done.stderr.count("\n")) for done in (taken, gone)] == [(2, 1), (2, 1)]
    assert f"port {port}: what is there is no Prefect server; `make serve PORT=4300` takes another" in taken.stderr
    assert "PREFECT_API_URL: no Prefect server answers at http://prefect.invalid:4200/api" in gone.stderr


def test_setting_up_twice_makes_one_of_each(project: Project, prefect_environment: dict[str, str]) -> None:
    for gpus in ("3", "2"):
        environment = environment_of(prefect_environment)
        subprocess.run([sys.executable, "-c", SET_UP, gpus], cwd=project.root, env=environment, check=True)
    with httpx.Client(trust_env=False, base_url=prefect_environment["PREFECT_API_URL"]) as client:
        limit = client.get("/concurrency_limits/tag/gpu").json()
        names = [one["name"] for one in client.post("/automations/filter", json={}).json()]
    assert limit["concurrency_limit"] == 2
    assert names.count(SILENT) == 1
