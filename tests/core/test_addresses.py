"""No webhook goes to an address that is not one of the internet."""

from ipaddress import ip_address, ip_network

import pytest

from core.outbound.addresses import AddressPolicy, NotAllowed, check_url, is_allowed

# https://www.iana.org/assignments/iana-ipv4-special-registry
IPV4 = """
    0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16
    172.16.0.0/12 192.0.0.0/24 192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32
    192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24
    192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
    203.0.113.0/24 240.0.0.0/4 255.255.255.255/32
""".split()
# https://www.iana.org/assignments/iana-ipv6-special-registry, without ::ffff:0:0/96: what
# is mapped is looked at as the IPv4 address that it is, below.
IPV6 = """
    ::1/128 ::/128 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64
    2001::/23 2001::/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48
    2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32
    2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10
""".split()
# Multicast, translated and compatible IPv4, site-local, what is not given out, Azure's host.
OTHERS = """
    224.0.0.0/4 168.63.129.16/32 ::ffff:0:0:0/96 ::/96 fec0::/10 ff00::/8 4000::/3
    8000::/1 200::/7
""".split()
INSIDE = ["10.0.0.1", "127.0.0.1", "169.254.169.254", "168.63.129.16", "192.168.1.1"]


def hidden(address: str) -> list[str]:
    """The ways in which IPv6 can carry an IPv4 address."""
    packed = ip_address(address).packed
    high, low = packed[:2].hex(), packed[2:].hex()
    turned = bytes(255 - byte for byte in packed)
    return [
        f"::ffff:{high}:{low}", f"::ffff:0:{high}:{low}", f"::{high}:{low}",
        f"2002:{high}:{low}::1", f"64:ff9b::{high}:{low}", f"64:ff9b:1::{high}:{low}",
        f"2001:0:4136:e378:8000:63bf:{turned[:2].hex()}:{turned[2:].hex()}",
    ]  # fmt: skip


@pytest.mark.parametrize("network", [*IPV4, *IPV6, *OTHERS])
def test_no_address_of_a_special_network_is_allowed(network):
    net = ip_network(network)
    middle = net.network_address + net.num_addresses // 2
    for address in {net[0], middle, net[-1]}:
        assert not is_allowed(address, AddressPolicy()), address


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_is_allowed_in_disguise(address):
    for host in hidden(address):
        assert not is_allowed(ip_address(host), AddressPolicy()), host
        with pytest.raises(NotAllowed):
            check_url(f"https://[{host}]/", AddressPolicy())


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "168.63.129.15", "168.63.129.17", "100.63.255.255",
     "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255",
     "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450::1", "2003::1", "2001:200::1"],
)  # fmt: skip
def test_neighbours_on_the_internet_are_allowed(address):
    assert is_allowed(ip_address(address), AddressPolicy())
