"""Where a webhook may go: which URLs, and which addresses behind their names. Pure.

A host is resolved once, every address is checked, and the connection is made to the
address that was checked, so a name that changes in between (DNS rebinding) gains nothing.
"""

import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit

from core.parsing.values import shown

Address = IPv4Address | IPv6Address
Resolver = Callable[..., list[Any]]
LONGEST_URL = 500
# The special-purpose registries of IANA for IPv4 and IPv6, in full, also where they say
# that a network can be reached: nobody's receiver is there. `is_global` knows only some,
# differently by version of Python. Networks in which an IPv4 address hides (translated,
# compatible, 6to4, Teredo, NAT64) are denied as a whole; a mapped one is looked at as what
# it is. Then multicast, what is reserved, and where clouds keep their own services.
DENIED = [
    ip_network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24",
        "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        "168.63.129.16/32",
        "::/128", "::1/128", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96",
        "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23",
        "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16",
        "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
]  # fmt: skip
# All that is given out to the internet of version 6.
GIVEN_OUT = ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """The ports that endpoints may use, and whether loopback hosts are allowed.

    Loopback hosts may be reached without TLS and on any port.
    """

    ports: Collection[int] = (443, 8443)
    allow_loopback: bool = False


class NotAllowed(Exception):
    """A URL or address that must not be called; the message is for the URL's author."""


def check_url(url: str, policy: AddressPolicy) -> None:
    """Refuse a URL that an endpoint must not have. Its host is resolved only when sending.

    Raises NotAllowed.
    """
    parts = _parts(url)
    host = parts.hostname or ""
    if not host:
        raise NotAllowed("The URL has no host. Use a URL such as https://example.com/.")
    if parts.username is not None or parts.fragment:
        raise NotAllowed("Remove the user name, password or fragment from the URL.")
    if policy.allow_loopback and _names_loopback(host):
        if parts.scheme not in {"http", "https"}:
            raise NotAllowed(f"Scheme {shown(parts.scheme)} is not allowed. Use https.")
        return
    if parts.scheme != "https":
        raise NotAllowed(f"Scheme {shown(parts.scheme)} is not allowed. Use https.")
    port = 443 if parts.port is None else parts.port
    if port not in policy.ports:
        ports = ", ".join(map(str, sorted(policy.ports)))
        raise NotAllowed(
            f"Port {port} is not allowed. Use one of these ports: {ports}."
        )
    if _names_loopback(host) or _is_denied(host):
        raise NotAllowed(f"Host {shown(host)} is not a public internet address.")


def _parts(url: str) -> SplitResult:
    """Parse a URL strictly. Raises NotAllowed."""
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\")
    if len(url) > LONGEST_URL or not plain:
        raise NotAllowed(
            f"{shown(url)} is not a valid URL. Use up to {LONGEST_URL} printable ASCII"
            " characters, without spaces or backslashes."
        )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise NotAllowed(f"{shown(url)} is not a valid URL.") from error
    return parts


def address_of(
    host: str,
    port: int,
    policy: AddressPolicy,
    *,
    resolver: Resolver = socket.getaddrinfo,
) -> Address:
    """Resolve a host to the address to connect to: the first, if all are allowed.

    Raises NotAllowed, and OSError if the host cannot be resolved.
    """
    answers = resolver(host, port, type=socket.SOCK_STREAM)
    addresses = [_unmapped(ip_address(answer[4][0])) for answer in answers]
    if not addresses:
        raise NotAllowed(f"Host {shown(host)} has no address.")
    for address in addresses:
        if not is_allowed(address, policy):
            raise NotAllowed(
                f"Host {shown(host)} resolves to an address that is not allowed."
            )
    return addresses[0]


def is_allowed(address: Address, policy: AddressPolicy) -> bool:
    """Whether a connection to the address is allowed."""
    address = _unmapped(address)
    if address.is_loopback:
        return policy.allow_loopback
    if any(address in net for net in DENIED if net.version == address.version):
        return False
    return address.is_global and (address.version == 4 or address in GIVEN_OUT)


def _unmapped(address: Address) -> Address:
    """The IPv4 address inside ::ffff:a.b.c.d; a zone never matters to us."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _names_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return _unmapped(ip_address(host)).is_loopback
    except ValueError:
        return False


def _is_denied(host: str) -> bool:
    """Whether a host that is written as an address is one that is not allowed."""
    try:
        return not is_allowed(ip_address(host), AddressPolicy())
    except ValueError:
        return False
