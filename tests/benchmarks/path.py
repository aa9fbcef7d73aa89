"""The way from a request to a worker and back: one at a time, 64 at a time, streams, 1 MiB."""

from __future__ import annotations

from .contender import Load, Measured
from .contest import Goal, Rig, Row, compare, threads

STREAM_CHUNKS = 100
IN_FLIGHT = 64
MCP = ("mcp_stdio", "mcp_lowlevel")


def latency() -> list[Row]:
    """One call at a time: the channel and the whole host against ZeroMQ, gRPC and MCP."""
    fast, slow = Load(calls=2_000), Load(calls=300)
    with Rig.open("channel", "host", "zmq_pair", "grpc_aio", *MCP) as rig:
        loads = {"channel": fast, "host": fast, "zmq_pair": fast}
        results = rig.rounds({**loads, "grpc_aio": slow, **dict.fromkeys(MCP, slow)})
    notes = tuple(threads(results, name) for name in ("channel", "zmq_pair"))
    more = (threads(results, "host"),)
    at_least = "host: times as fast as"
    return [
        compare("channel: one call", results, "channel", "zmq_pair", Goal(1.2), notes=notes),
        compare("Host.run: one call", results, "host", "zmq_pair", Goal(2.0), notes=more),
        compare(f"{at_least} grpc.aio", results, "host", "grpc_aio", Goal(5, at_least=True)),
        compare(f"{at_least} MCP stdio", results, "host", MCP[0], Goal(11, at_least=True)),
        compare(f"{at_least} MCP stdio, low level", results, "host", MCP[1], None),
        compare("channel: times as fast as grpc.aio", results, "channel", "grpc_aio", None),
        compare("channel: times as fast as MCP stdio", results, "channel", MCP[0], None),
    ]


def in_flight() -> list[Row]:
    """64 calls at a time against `zmq.asyncio`: how many a second, and what they cost the host."""
    load = Load(calls=100 * IN_FLIGHT, in_flight=IN_FLIGHT)
    with Rig.open("channel", "host", "zmq_aio") as rig:
        results = rig.rounds({"channel": load, "host": load, "zmq_aio": load})
    rows = []
    for ours in ("channel", "host"):
        goal, cost = Goal(2, at_least=True), Goal(0.5)
        notes = (threads(results, ours),)
        rows += [
            compare(f"{ours}: 64 in flight", results, ours, "zmq_aio", goal, pace, notes=notes),
            compare(f"{ours}: host CPU, 64 in flight", results, ours, "zmq_aio", cost, host_cpu),
        ]
    return rows


def streams() -> list[Row]:
    """Streams of 100 chunks, flat out, one after the other, against `zmq.asyncio`."""
    load, longer = Load(calls=60, chunks=STREAM_CHUNKS), Load(calls=6, chunks=10 * STREAM_CHUNKS)
    with Rig.open("channel", "host", "zmq_aio") as rig:
        results = rig.rounds({"channel": load, "host": load, "zmq_aio": load})
        long = rig.rounds({"channel": longer, "host": longer, "zmq_aio": longer})
    goal = Goal(4, at_least=True)
    notes = (threads(results, "channel"), threads(results, "host"), threads(results, "zmq_aio"))
    return [
        compare("channel: a chunk", results, "channel", "zmq_aio", goal, pace),
        compare("Host.stream: a chunk", results, "host", "zmq_aio", goal, pace, notes=notes),
        compare("channel: a chunk of 1,000", long, "channel", "zmq_aio", None, pace),
        compare("Host.stream: a chunk of 1,000", long, "host", "zmq_aio", None, pace),
    ]


def large() -> list[Row]:
    """1 MiB there and back against a blocking UNIX socket, both with the same malloc setting."""
    load = Load(calls=200, payload="image")
    with Rig.open("channel", "host", "unix_socket") as rig:
        results = rig.rounds({"channel": load, "host": load, "unix_socket": load})
    notes = tuple(threads(results, name) for name in ("channel", "unix_socket"))
    return [
        compare("channel: 1 MiB", results, "channel", "unix_socket", Goal(1.6), notes=notes),
        compare("Host.run: 1 MiB", results, "host", "unix_socket", Goal(1.6)),
    ]


def pace(measured: Measured) -> float:
    """Microseconds a call or a chunk, over the whole round."""
    return 1e6 / measured.rate


def host_cpu(measured: Measured) -> float:
    """The host's CPU, all threads."""
    return measured.host_cpu_us
