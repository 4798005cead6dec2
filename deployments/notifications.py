"""Who is told of an event, and how? A webhook's URL, or a block that the team keeps on its Prefect server."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import PrefectClient
from prefect.events import EventTrigger, Posture
from prefect.events.actions import ActionTypes, CallWebhook, SendNotification
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict
from pydantic import SecretStr

from schemas.errors import PerennialError
from schemas.events import RUNS, Happening, Severity
from schemas.settings import Settings

__all__ = ["QUIET", "Channel", "channels", "forget", "telling"]

# A happening of a problem is told once in this time, and again after it while it lasts.
QUIET = {
    Severity.INFO: timedelta(hours=1),
    Severity.WARNING: timedelta(hours=12),
    Severity.CRITICAL: timedelta(hours=4),
}
_RUN_QUIET = timedelta(hours=6)  # a deployment whose runs fail every minute is told four times a day

# Events of a problem bring their own words; of a run we say its name, and never its message: an exception may quote rows.
_OURS = (
    "{{ event.payload.problem }}: {{ event.resource['perennial.event'] | replace('-', ' ') }} ({{ event.payload.severity }})",
    "{{ event.payload.what }}\n{{ event.payload.reason }}\n"
    "What to do: {{ event.payload.do }}\nRunbook: {{ event.payload.runbook }}\n"
    "{% if event.payload.report %}Evidence: {{ event.payload.report }}\n{% endif %}"
    "{% if event.payload.form %}Answer here: {{ event.payload.form }}\n{% endif %}"
    "{% if event.payload.mlflow %}MLflow: {{ event.payload.mlflow }}\n{% endif %}"
    "{% if event.payload.sequence %}Stage {{ event.payload.stage }}, ledger row {{ event.payload.sequence }}: {% endif %}"
    "{{ event.url }}",
)


@dataclass(frozen=True)
class Channel:
    """One way to people: its name, and what sends a subject and a body (Jinja templates) by it."""

    name: str
    send: Callable[[str, str], ActionTypes]


async def channels(client: PrefectClient) -> list[Channel]:
    """The ways that the settings name. The URL of a webhook is kept in a block of ours."""
    webhook, email = _webhook(), Settings().notify_email
    found = []
    if webhook:
        send = _calls(await _kept(client, webhook)) if _is_url(webhook) else await _by_block(client, webhook, "WEBHOOK")
        found.append(Channel("webhook", send))
    if email:
        found.append(Channel("email", await _by_block(client, email, "EMAIL")))
    return found


async def forget(client: PrefectClient) -> None:
    """Delete our block where no URL is set any longer, once no automation needs it."""
    if _is_url(_webhook()):
        return
    try:
        kept = await client.read_block_document_by_name(_block(), Webhook.get_block_type_slug())
    except ObjectNotFound:
        return
    await client.delete_block_document(kept.id)


def telling(channel: Channel) -> list[AutomationCore]:
    """The automations that tell people by `channel`: one a severity, and one a way in which runs go wrong."""
    least = Severity(Settings().notify_from)
    asked = [severity for severity in QUIET if severity.rank >= least.rank]
    runs = [known for known in RUNS if known.severity.rank >= least.rank]
    return [*(_of_problems(channel, severity) for severity in asked), *(_of_runs(channel, known) for known in runs)]


def _of_problems(channel: Channel, severity: Severity) -> AutomationCore:
    return AutomationCore(
        name=f"{Settings().mark}: {channel.name} tells of what is {severity}",
        description=f"Tells people of {severity} events of the problems, each once in {_hours(QUIET[severity])}.",
        trigger=EventTrigger(
            expect={"perennial.*"},
            match={"prefect.resource.id": f"{Settings().mark}.problem.*", "perennial.severity": str(severity)},
            # Each happening of each problem is quiet for itself: one of drift does not silence one of a fault.
            for_each={"prefect.resource.id", "perennial.event"},
            posture=Posture.Reactive,
            threshold=1,
            within=QUIET[severity],
        ),
        actions=[channel.send(*_OURS)],
    )


def _of_runs(channel: Channel, known: Happening) -> AutomationCore:
    runbook = f"{Settings().runbook}#{known.name}"
    subject = f"{{{{ flow.name }}}}/{{{{ deployment.name }}}}: {known.name.replace('-', ' ')} ({known.severity})"
    body = (
        f"{known.when} It is {{{{ flow_run.name }}}}: {{{{ flow_run | ui_url }}}}\n"
        f"What to do: {known.do}\nRunbook: {runbook}"
    )
    return AutomationCore(
        name=f"{Settings().mark}: {channel.name} tells of a {known.name.replace('-', ' ')}",
        description=f"Tells people of {known.heard} of our deployments, each once in {_hours(_RUN_QUIET)}.",
        trigger=EventTrigger(
            expect={known.event},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.id": f"prefect.tag.{Settings().mark}", "prefect.resource.role": "tag"},
            for_each={"related:deployment:prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=_RUN_QUIET,
        ),
        actions=[channel.send(subject, body)],
    )


def _calls(block_id: UUID) -> Callable[[str, str], ActionTypes]:
    """A JSON object: `text` is what chats show; the rest is for whoever routes it."""

    def send(subject: str, body: str) -> ActionTypes:
        payload = (
            f"{{% set subject %}}{subject}{{% endset %}}{{% set body %}}{body}{{% endset %}}"
            '{{ {"text": subject ~ "\\n" ~ body, "subject": subject, "event": event.event, '
            '"id": event.id | string, "resource": event.resource.id} | tojson }}'
        )
        return CallWebhook(block_document_id=block_id, payload=payload)

    return send


async def _kept(client: PrefectClient, url: str) -> UUID:
    webhook = Webhook(url=SecretStr(url), headers=SecretDict({"content-type": "application/json"}))
    return await webhook.asave(_block(), overwrite=True, client=client)


async def _by_block(client: PrefectClient, name: str, setting: str) -> Callable[[str, str], ActionTypes]:
    """By the block document TYPE/NAME, which has to be one that can tell somebody something."""
    slug, _, document = name.partition("/")
    try:
        block = await client.read_block_document_by_name(document, slug)
    except ObjectNotFound:
        # What is set may be a URL with a typing mistake, and a URL may hold a token: it is not repeated.
        raise PerennialError(
            f"PERENNIAL_NOTIFY_{setting} names no block of the Prefect server. Give TYPE/NAME of one that can notify, such as "
            "slack-webhook/ops or sendgrid-email/on-call, or as a webhook an http(s) URL. Blocks are made in the Prefect UI; "
            "start once without this setting to make the first."
        ) from None
    if slug == Webhook.get_block_type_slug():
        return _calls(block.id)
    if "notify" not in (block.block_schema.capabilities if block.block_schema else []):
        raise PerennialError(
            f"PERENNIAL_NOTIFY_{setting} names the block {slug}/{document}, and a {slug} cannot notify. "
            "Make one that can in the Prefect UI under Blocks: its types are listed there by what they can do."
        )
    return lambda subject, body: SendNotification(block_document_id=block.id, subject=subject, body=body)


def _block() -> str:
    """The webhook block that we keep for a URL: in its fields the server hides it."""
    return f"{Settings().mark.replace('.', '-')}-notify"


def _webhook() -> str:
    secret = Settings().notify_webhook
    return secret.get_secret_value() if secret else ""


def _is_url(webhook: str) -> bool:
    return webhook.startswith(("http://", "https://"))


def _hours(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return "an hour" if hours == 1 else f"{hours:g} hours"
