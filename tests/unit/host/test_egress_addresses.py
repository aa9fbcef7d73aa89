"""Addresses: what is public, what only an operator opens, what nobody reaches."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.egress.addresses import AddressRefused, Reach, carried, check_address, judge


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "104.18.6.192",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "223.255.255.255",
        "2606:4700::6812:7c0",
        "2a00:1450:4001:80b::200a",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "::ffff:8.8.8.8",
    ],
)
def test_a_public_address_is_for_whoever_was_granted_the_host(address):
    assert judge(address).reach is Reach.PUBLIC
    check_address("api.example.com", address, operator_allowed=False)


INTERNAL = [
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "0.1.2.3",
    "::1",
    "100::1",
    "2001:db8::1",
    "2001:2::1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "64:ff9b:1::1",
]


@pytest.mark.parametrize("address", INTERNAL)
def test_an_internal_address_needs_the_operator(address):
    assert judge(address).reach is Reach.INTERNAL
    with pytest.raises(AddressRefused):
        check_address("api.example.com", address, operator_allowed=False)
    check_address("api.example.com", address, operator_allowed=True)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "::", "224.0.0.1", "239.1.2.3", "255.255.255.255", "ff02::1", "::ffff:0.0.0.0"],
)
def test_what_is_no_single_machine_is_for_nobody(address):
    assert judge(address).reach is Reach.NEVER
    with pytest.raises(AddressRefused):
        check_address("api.example.com", address, operator_allowed=True)


@pytest.mark.parametrize("text", ["", "127.1", "0x7f.1", "2130706433", "localhost", "1.2.3.4.5"])
def test_what_is_no_address_is_for_nobody(text):
    assert judge(text).reach is Reach.NEVER


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("::ffff:127.0.0.1", ["127.0.0.1"]),
        ("::ffff:0:127.0.0.1", ["127.0.0.1"]),
        ("::127.0.0.1", ["127.0.0.1"]),
        ("64:ff9b::7f00:1", ["127.0.0.1"]),
        ("2002:7f00:1::", ["127.0.0.1"]),
        ("2002:a9fe:a9fe::1", ["169.254.169.254"]),
        # RFC 4380 4: server 65.54.227.120, client 192.0.2.45.
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", ["65.54.227.120", "192.0.2.45"]),
        ("::1", []),
        ("::", []),
        ("2606:4700::1", []),
    ],
)
def test_an_ipv4_address_inside_an_ipv6_one_is_found(address, inside):
    assert [str(one) for one in carried(ipaddress.IPv6Address(address))] == inside


def test_a_teredo_address_is_as_internal_as_its_worst_part():
    public_server_private_client = "2001:0:4136:e378:8000:63bf:f5ff:fffe"  # 10.0.0.1 inverted
    public_both = "2001:0:4136:e378:8000:63bf:f7f7:f7f7"  # 8.8.8.8 inverted

    assert judge(public_server_private_client).reach is Reach.INTERNAL
    assert judge(public_both).reach is Reach.PUBLIC


@given(st.ip_addresses(v=4))
def test_wrapping_never_makes_an_address_more_reachable(address):
    plain = judge(str(address)).reach
    bits = int(address)
    wrapped = [
        ipaddress.IPv6Address(0xFFFF_0000_0000 | bits),
        ipaddress.IPv6Address((0x64_FF9B << 96) | bits),
        ipaddress.IPv6Address((0x2002 << 112) | (bits << 80) | 1),
    ]

    assert {judge(str(one)).reach for one in wrapped} == {plain}


@given(st.ip_addresses())
def test_whatever_is_public_here_is_no_private_address_to_the_standard_library(address):
    if judge(str(address)).reach is Reach.PUBLIC and not (
        isinstance(address, ipaddress.IPv6Address) and carried(address)
    ):
        assert not address.is_private
        assert not address.is_loopback
        assert not address.is_link_local
        assert not address.is_multicast


def test_the_refusal_names_the_kind_and_the_log_the_address():
    with pytest.raises(AddressRefused) as refused:
        check_address("intra.example.com", "169.254.169.254", operator_allowed=False)

    assert refused.value.what == "a cloud metadata address"
    assert "169.254.169.254" in str(refused.value)
