"""What a visit announces, for the policies that start and stop promises with it (`sla.moments`)."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

STOPS = {
    "booked": _("visit booked"),
    "moved": _("visit moved"),
    "asked": _("second confirmation accepted for delivery"),
    "reconfirmed": _("time confirmed again"),
    "noticed": _("notice accepted for delivery"),
    "set_off": _("technician on the way"),
    "arrived": _("technician on site"),
    "done": _("work done"),
}
