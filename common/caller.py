"""Where a request comes from, for limits by address."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The caller's network address as the outermost of our own proxies (PROXIES) saw it, else the connection's.

    What stands further left in X-Forwarded-For the caller may have written. Of an IPv6 address the network is given:
    one household has billions of addresses.
    """
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    known = settings.PROXIES and len(hops) >= settings.PROXIES
    text = hops[-settings.PROXIES] if known else request.META.get("REMOTE_ADDR", "")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return str(address)
