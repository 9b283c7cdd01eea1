"""Have the Prefect server post to a URL when a flow run ends: a webhook and an automation, both named `ladder-notify`.

    python -m flows.notify https://hooks.example.org/abc                 # every run that ends
    python -m flows.notify https://hooks.example.org/abc --failed-only   # those that failed, crashed or took too long
    python -m flows.notify --remove

What is posted: {"flow_run": NAME, "deployment": NAME or null, "state": NAME, "message": TEXT or null, "link": URL or null}.
There is one such automation on a server, for all its flows: another call replaces it. The server itself posts, and by no proxy.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from stages.errors import LadderError, exit_on_error

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore

NAME = "ladder-notify"
FAILED = ("Failed", "Crashed", "TimedOut")
ENDED = (*FAILED, "Completed", "Cancelled")
# Jinja, which the server fills in. The state is the event's: the run's own may be another by now.
PAYLOAD = (
    '{"flow_run": {{ flow_run.name | tojson }}, '
    '"deployment": {{ (deployment.name if deployment else none) | tojson }}, '
    '"state": {{ event.resource["prefect.state-name"] | tojson }}, '
    '"message": {{ (event.resource["prefect.state-message"] or none) | tojson }}, '
    '"link": {{ flow_run | ui_url | tojson }}}'
)


def notify(url: str, failed_only: bool) -> None:
    """Post to `url` when a flow run ends, or only when one fails. Raises LadderError for no URL, and without a server."""
    _check_url(url)
    with _reachable_server() as client:
        from prefect.blocks.webhook import Webhook

        webhook = Webhook.model_validate({"url": url, "headers": {"Content-Type": "application/json"}})
        saved = cast(UUID, webhook.save(NAME, overwrite=True))  # a coroutine only where a loop runs
        automation = _automation(saved, failed_only)
        found = client.read_automations_by_name(NAME)
        if found:
            client.update_automation(found[0].id, automation)
        else:
            client.create_automation(automation)


def remove() -> bool:
    """Post no more; False where nothing was to be removed. Raises LadderError without a server."""
    with _reachable_server() as client:
        from prefect.blocks.webhook import Webhook

        found = client.read_automations_by_name(NAME)
        for automation in found:
            client.delete_automation(automation.id)
        if found:
            Webhook.delete(NAME)
    return bool(found)


def _automation(webhook: UUID, failed_only: bool) -> "AutomationCore":
    from prefect.events.actions import CallWebhook
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

    states = FAILED if failed_only else ENDED
    return AutomationCore.model_validate(
        {
            "name": NAME,
            "description": f"posts when a flow run is {', '.join(states)}; made by `python -m flows.notify`",
            "enabled": True,
            "trigger": EventTrigger.model_validate(
                {
                    "match": {"prefect.resource.id": "prefect.flow-run.*"},
                    "expect": [f"prefect.flow-run.{state}" for state in states],
                    "for_each": ["prefect.resource.id"],
                    "posture": Posture.Reactive,
                    "threshold": 1,
                }
            ),
            "actions": [CallWebhook(block_document_id=webhook, payload=PAYLOAD)],
        }
    )


@contextmanager
def _reachable_server() -> Iterator["SyncPrefectClient"]:
    from prefect.client.orchestration import get_client  # slow, and a wrong URL is told before
    from prefect.settings import get_current_settings

    address = get_current_settings().api.url
    with get_client(sync_client=True) as client:
        if (error := client.api_healthcheck()) is not None:
            raise LadderError(
                f"PREFECT_API_URL: no Prefect server answers at {address} ({type(error).__name__}: {error}); start it "
                "(`prefect server start`), correct the address, or except it from a proxy (no_proxy)"
            )
        yield client


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (
        ValueError,
        httpx.InvalidURL,
    ):  # a port that is no number, a bracket that is not closed, a control character
        usable = False
    if not usable or any(sign.isspace() for sign in url):
        raise LadderError(f"URL: {json.dumps(url)} is no address to post to; give one such as https://HOST/PATH")


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m flows.notify", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("url", nargs="?", metavar="URL", help="where to post to")
    target.add_argument("--remove", action="store_true", help="post no more")
    parser.add_argument("--failed-only", action="store_true", help="not when a run has completed or was cancelled")
    arguments = parser.parse_args()
    if arguments.remove:
        print(f"{NAME}: {'removed' if remove() else 'there was none'}")
    else:
        notify(arguments.url, arguments.failed_only)
        host = urlsplit(arguments.url).hostname  # the path may be a secret
        print(f"{NAME}: posts {'failed' if arguments.failed_only else 'ended'} flow runs to {host}")


if __name__ == "__main__":
    exit_on_error(main)
