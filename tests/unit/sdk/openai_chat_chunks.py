"""Chunks of the OpenAI chat wire for tests, and what they decode into."""

import json

from stockade_sdk import fold
from stockade_sdk.dialects.openai_chat import DONE, StreamDecoder

HEAD = {"id": "c-1", "object": "chat.completion.chunk", "created": 5, "model": "m-1"}


def chunk(delta=None, finish=None, index=0, **choice):
    return {
        **HEAD,
        "choices": [{"index": index, "delta": delta or {}, "finish_reason": finish, **choice}],
    }


def decode(*chunks, done=True):
    decoder = StreamDecoder()
    events = [event for one in chunks for event in decoder.feed(json.dumps(one))]
    return [*events, *(decoder.feed(DONE) if done else []), *decoder.finish()]


def folded(*chunks, done=True):
    return fold(decode(*chunks, done=done))


def codes(response):
    return [warning.code for warning in response.warnings]


STOP = chunk(finish="stop")


def call(index=None, id=None, name=None, arguments=None, **more):
    function = {"name": name, "arguments": arguments}
    delta = {"index": index, "id": id, **more}
    return {
        **{key: value for key, value in delta.items() if value is not None},
        "function": {key: value for key, value in function.items() if value is not None},
    }
