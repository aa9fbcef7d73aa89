"""From the broker to disk and back: what was recorded plays again, and no key is in any file."""

import contextlib
import json

import pytest

from stockade.egress import BoundSecret
from stockade.kit import answers
from stockade.kit.answers import Answer, Piece, events, whole
from stockade.kit.playing import Player
from stockade.kit.tapes import Reel, read_tapes
from stockade.kit.vendor import Vendor
from stockade_sdk.errors import ErrorKind, PermissionDenied, ProviderError
from stockade_sdk.hosts import HostRule
from tests.system.egress_sink import way_out

HOST = "api.example.com"
CANARY = "canary-4f1e-77c09f2d"
SECRET = BoundSecret("K", CANARY, "authorization", "Bearer {}", rules=(HostRule.parse(HOST),))
JSON = [("content-type", "application/json")]


@contextlib.asynccontextmanager
async def recorded(says, **options):
    reel = Reel()
    async with Vendor.open(says) as vendor:
        options.update(network=(HOST,), redirect=vendor.redirect, secrets=[SECRET])
        async with way_out(recorder=reel.take, **options) as way:
            yield vendor, way, reel


async def replayed(folder, url, method="GET", headers=(), body=None):
    player = Player(read_tapes(folder))
    async with (
        Vendor.open(player.answer) as vendor,
        way_out(network=(HOST,), redirect=vendor.redirect) as way,
    ):
        upstream, said = await way.fetch(url, method, headers, body)
    return upstream, said, player


def telling_everything(asked):
    """A vendor that repeats the key wherever it can."""
    key = asked.header("authorization")
    told = json.dumps({"you sent": key, "url": asked.path}).encode()
    headers = (
        ("content-type", f"application/json; key={CANARY}"),
        ("x-echo", key),
        ("location", f"https://{HOST}/?token={CANARY}"),
        ("set-cookie", key),
    )
    pieces = [told[:30], told[30:34], told[34:]]
    return Answer(headers=headers, pieces=tuple(map(Piece, pieces)), streamed=True)


async def test_a_canary_that_is_everywhere_in_an_exchange_reaches_no_file(tmp_path):
    async with recorded(telling_everything) as (vendor, way, reel):
        placeholder = way.outlet.placeholders["K"]
        await way.fetch(
            f"https://{HOST}/v1/{CANARY}/x?api_key={CANARY}",
            "POST",
            [("authorization", f"Bearer {placeholder}"), ("x-mine", CANARY), ("accept", CANARY)],
            json.dumps({"a": CANARY, "b": [f"x{CANARY}y"]}).encode(),
        )
        paths = reel.save(tmp_path)

    assert CANARY in vendor.asked[0].path  # it was there to be recorded
    assert vendor.asked[0].header("authorization") == f"Bearer {CANARY}"
    (path,) = paths
    written = path.read_bytes() + path.name.encode()
    assert CANARY.encode() not in written
    assert placeholder.encode() not in written
    assert b"you sent" in written
    assert b"[redacted]" in written


async def test_what_was_recorded_plays_again_piece_by_piece(tmp_path):
    stream = events([("", {"n": 1}), ("done", "\u00e9\U0001f600")])
    async with recorded(lambda asked: stream) as (_, way, reel):
        _, first = await way.fetch(f"https://{HOST}/v1/x?b=1", "POST", JSON, b'{"b": 1, "a": 2}')
        reel.save(tmp_path)

    upstream, said, player = await replayed(
        tmp_path, f"https://{HOST}/v1/x?b=1", "POST", JSON, b'{"a":2,"b":1}'
    )

    assert said == first == stream.body
    assert ("content-type", "text/event-stream") in upstream.headers
    assert (player.missed, player.unplayed) == ([], ())


async def test_bytes_that_are_no_text_play_again(tmp_path):
    sound = bytes(range(256))
    async with recorded(lambda asked: answers.plain(sound, "audio/wav")) as (_, way, reel):
        await way.fetch(f"https://{HOST}/s", "POST", [], sound)
        reel.save(tmp_path)

    _, said, player = await replayed(tmp_path, f"https://{HOST}/s", "POST", [], sound)

    assert said == sound
    assert not player.missed


@pytest.mark.parametrize(
    ("spoilt", "kind"), [(answers.cut, ErrorKind.NETWORK), (answers.stall, ErrorKind.TIMEOUT)]
)
async def test_a_failure_is_recorded_and_fails_again(tmp_path, spoilt, kind):
    answer = spoilt(events([("", "one"), ("", "two")]))
    quick = (5.0, 5.0, 0.3)
    async with recorded(lambda asked: answer, waits=quick) as (_, way, reel):
        with pytest.raises(ProviderError):
            await way.fetch(f"https://{HOST}/")
        reel.save(tmp_path)

    player = Player(read_tapes(tmp_path))
    async with (
        Vendor.open(player.answer) as vendor,
        way_out(network=(HOST,), redirect=vendor.redirect, waits=quick) as way,
    ):
        with pytest.raises(ProviderError) as told:
            await way.fetch(f"https://{HOST}/")
    assert told.value.kind is kind


async def test_a_refused_request_is_not_recorded_and_one_that_left_is():
    async with recorded(lambda asked: whole({})) as (_, way, reel):
        with pytest.raises(PermissionDenied):
            await way.fetch("https://other.example.com/")
        assert reel.exchanges == []

        await way.fetch(f"https://{HOST}/")
    assert [exchange.url for exchange in reel.exchanges] == [f"https://{HOST}/"]


async def test_a_miss_names_what_was_asked_and_what_comes_nearest(tmp_path):
    async with recorded(lambda asked: whole({})) as (_, way, reel):
        await way.fetch(f"https://{HOST}/v1/chat", "POST", JSON, b"{}")
        reel.save(tmp_path)

    upstream, said, player = await replayed(tmp_path, f"https://{HOST}/v1/chats", "POST", JSON, b"")

    (miss,) = player.missed
    assert upstream.status == 400
    assert str(miss) in json.loads(said)["error"]["message"]
    assert f"POST {HOST}/v1/chats" in str(miss)
    assert f"001-post-v1-chat.json: POST {HOST}/v1/chat" in str(miss)
