"""The kit's vendor behind the broker: what it says arrives, what it spoils is seen, who leaves is
noted.
"""

import contextlib

import anyio
import pytest

from stockade.egress import BoundSecret, Redirect
from stockade.kit import answers
from stockade.kit.answers import events, plain, whole
from stockade.kit.vendor import Vendor
from stockade_sdk.errors import ErrorKind, PermissionDenied, ProviderError
from stockade_sdk.hosts import HostRule
from tests.system.egress_sink import KEY, way_out

HOST = "api.example.com"
URL = f"https://{HOST}/v1/chat?x=%2F"
STREAM = events([("", "one"), ("", "two"), ("", "three")])
QUICK = (5.0, 0.3, 0.3)


@contextlib.asynccontextmanager
async def vendor_and_way(answer, network=(HOST,), **options):
    async with (
        Vendor.open(answer if callable(answer) else lambda asked: answer) as vendor,
        way_out(network=network, redirect=vendor.redirect, **options) as way,
    ):
        yield vendor, way


async def test_a_granted_host_is_the_vendor_with_its_own_path_host_and_key():
    secret = BoundSecret("K", KEY, "x-api-key", rules=(HostRule.parse(HOST),))
    async with vendor_and_way(whole({"a": 1}, 418), secrets=[secret]) as (vendor, way):
        upstream, body = await way.fetch(URL, "POST", [("x-b", "2")], b"hello")

    (asked,) = vendor.asked
    assert (asked.method, asked.host, asked.path) == ("POST", HOST, "/v1/chat?x=%2F")
    assert (asked.header("x-api-key"), asked.header("X-B"), asked.body) == (KEY, "2", b"hello")
    assert (upstream.status, body) == (418, b'{"a": 1}')
    assert (way.log[0].host, way.log[0].port, way.log[0].allowed) == (HOST, 443, True)


async def test_a_port_of_its_own_stands_in_the_host_header():
    async with vendor_and_way(whole({}), network=(f"{HOST}:8443",)) as (vendor, way):
        await way.fetch(f"https://{HOST}:8443/")

    assert vendor.asked[0].host == f"{HOST}:8443"


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example.com/",
        f"https://{HOST}:8443/",
        f"http://{HOST}/",
        "https://10.0.0.1/",  # granted by the manifest, and internal
        "https://[::1]/",
    ],
)
async def test_what_is_refused_without_a_redirect_is_refused_under_one(url):
    granted = (HOST, "10.0.0.1", "[::1]")
    async with vendor_and_way(whole({}), network=granted) as (vendor, way):
        with pytest.raises(PermissionDenied):
            await way.fetch(url)
        assert vendor.count == 0

        await way.fetch(URL)
        assert vendor.count == 1


async def test_a_secret_is_put_on_no_request_to_a_host_that_it_is_not_bound_to():
    secret = BoundSecret("K", KEY, "x-api-key", rules=(HostRule.parse("keys.example.com"),))
    granted = (HOST, "keys.example.com")
    async with vendor_and_way(whole({}), network=granted, secrets=[secret]) as (vendor, way):
        await way.fetch(URL)
        await way.fetch("https://keys.example.com/")

    assert [asked.header("x-api-key") for asked in vendor.asked] == [None, KEY]


@pytest.mark.parametrize(
    ("address", "port"), [("192.0.2.1", 80), ("0.0.0.0", 80), ("127.0.0.1", 0)]
)
def test_a_redirect_leads_to_loopback_alone(address, port):
    with pytest.raises(ValueError, match=r"loopback|port"):
        Redirect(address, port)
    assert Redirect("127.0.0.1", 80).port == 80


async def failure_of(way):
    with pytest.raises(ProviderError) as told:
        await way.fetch(URL)
    return told.value


async def test_a_stream_arrives_piece_by_piece():
    async with vendor_and_way(STREAM) as (vendor, way):
        upstream, body = await way.fetch(URL)
        await vendor.until_quiet()

    assert upstream.headers[0] == ("content-type", "text/event-stream")
    assert body == b"data: one\n\ndata: two\n\ndata: three\n\n"
    assert vendor.asked[0].left_at is None
    assert vendor.asked[0].done_at is not None


@pytest.mark.parametrize("answer", [STREAM, whole({"text": "a long one"})])
async def test_an_answer_that_is_cut_is_no_answer(answer):
    async with vendor_and_way(answers.cut(answer)) as (_, way):
        error = await failure_of(way)

    assert error.kind is ErrorKind.NETWORK


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (answers.hang(), "first_byte"),
        (answers.stall(STREAM), "idle"),
        (answers.stall(whole({})), "idle"),
    ],
)
async def test_a_vendor_that_stalls_is_seen_to_and_sees_the_client_leave(answer, phase):
    async with vendor_and_way(answer, waits=QUICK) as (vendor, way):
        error = await failure_of(way)
        left_at = await vendor.until_left(vendor.asked[0])

    assert (error.kind, error.phase) == (ErrorKind.TIMEOUT, phase)
    assert left_at > vendor.asked[0].at
    assert vendor.asked[0].done_at is None


async def test_a_caller_who_gives_up_is_seen_to_leave_in_the_middle():
    async with vendor_and_way(answers.stall(STREAM)) as (vendor, way):
        async with way.open(URL) as upstream:
            first = await anext(upstream.chunks())
        await vendor.until_left(await vendor.until_asked())

    assert first == b"data: one\n\n"


async def test_a_late_answer_comes_after_its_time_and_whole():
    late = answers.slow(STREAM, first_s=0.2, between_s=0.05)
    async with vendor_and_way(late) as (_, way):
        began = anyio.current_time()
        _, body = await way.fetch(URL)
        took_s = anyio.current_time() - began

    assert body == STREAM.body
    assert took_s >= 0.3


async def test_a_huge_body_comes_whole_and_one_over_the_bound_is_refused():
    size = 3 * 1024 * 1024 + 17
    async with vendor_and_way(answers.huge(whole({}), size)) as (_, way):
        _, body = await way.fetch(URL)
    async with vendor_and_way(answers.huge(whole({}), size), max_body_bytes=size - 1) as (_, way):
        error = await failure_of(way)

    assert len(body) == size
    assert error.kind is ErrorKind.MALFORMED_RESPONSE


async def test_a_large_request_arrives_whole():
    body = bytes(range(256)) * 8192
    async with vendor_and_way(whole({})) as (vendor, way):
        await way.fetch(URL, "POST", body=body)

    assert vendor.asked[0].body == body


async def test_many_at_once_get_their_own_answers():
    said = {}
    async with vendor_and_way(lambda asked: plain(asked.path.encode(), "text/plain")) as (
        vendor,
        way,
    ):

        async def ask(number):
            _, said[number] = await way.fetch(f"https://{HOST}/{number}")

        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(ask, number)

    assert said == {number: b"/%d" % number for number in range(40)}
    assert vendor.count == 40


async def test_a_fault_in_the_answers_is_kept_for_who_judges():
    def broken(asked):
        raise KeyError("no such answer")

    async with vendor_and_way(broken) as (vendor, way):
        upstream, _ = await way.fetch(URL)

    assert upstream.status == 500
    assert [type(fault) for fault in vendor.faults] == [KeyError]
