"""Events of Anthropic's wire for tests."""

from stockade_sdk.dialects.anthropic_messages import StreamDecoder

STOP = {"type": "message_stop"}


def begun(**fields):
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
        **fields,
    }
    return {"type": "message_start", "message": message}


def opened(index, **block):
    return {"type": "content_block_start", "index": index, "content_block": block}


def grown(index, kind, **delta):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def closed(index):
    return {"type": "content_block_stop", "index": index}


def ended(word="end_turn", usage=None, **delta):
    return {
        "type": "message_delta",
        "delta": {"stop_reason": word, "stop_sequence": None, **delta},
        "usage": {"output_tokens": 2} if usage is None else usage,
    }


def said(text="hi", index=0):
    return (
        opened(index, type="text", text=""),
        grown(index, "text_delta", text=text),
        closed(index),
    )


def stream(*events):
    """A whole stream around the blocks."""
    return (begun(), *events, ended(), STOP)


def decode(*events):
    import json

    decoder = StreamDecoder()
    found = [event for one in events for event in decoder.feed(json.dumps(one), one["type"])]
    return [*found, *decoder.finish()]
