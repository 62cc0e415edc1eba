"""What a ticket announces, for the policies that start and stop promises with it (`sla.moments`)."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

STARTS = {
    "visit_needed": _("a visit is found necessary"),
    "resolved": _("resolved"),
    "exception_found": _("a service exception is found"),
}
STOPS = {
    "assign": _("assigned"),
    "start": _("work begun"),
    "first_reply": _("first reply"),
    "replied": _("reply"),
    "called": _("call tried"),
    "checked": _("details checked"),
    "planned": _("handling plan"),
    "located": _("fault located"),
    "on_site": _("technician on site"),
    "restored": _("service restored"),
    "wait": _("waiting for the customer"),
    "hold": _("waiting for others"),
    "resume": _("work resumed"),
    "escalated": _("escalated"),
    "submit_for_review": _("given to review"),
    "pass_review": _("review passed"),
    "return_to_dispatcher": _("returned to the dispatcher"),
    "resolved": _("resolved"),
    "notice_accepted": _("notice accepted for delivery"),
    "customer_told": _("customer told by phone"),
    "confirmed": _("confirmed by the customer"),
    "closed": _("closed"),
    "exception_dismissed": _("judged to be no exception"),
    "exception_solved": _("exception solved"),
}
