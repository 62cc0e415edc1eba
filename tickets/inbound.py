"""What a customer texts about a ticket: said on it, as if it had come by any other channel."""

from __future__ import annotations

from cases.models import Case
from cases.states import Channel
from notifications import inbound
from notifications.models import InboundMessage

from .conversation import customer_wrote
from .models import Ticket


@inbound.notes_on(Ticket.KIND)
def texted(case: Case, message: InboundMessage) -> Ticket:
    return customer_wrote(
        ticket_id=case.pk,
        body=message.text,
        channel=Channel.SMS,
        by=case.customer,
        at=message.received_at,
        external_id=f"inbound-{message.pk}",
    )
