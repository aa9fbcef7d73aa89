"""Answers on Google's wire, of our own making, for the plugin that speaks it."""

from stockade_sdk.testing import Answer, provider_under_test
from tests.unit.plugins.loading import defaults_of, provider_class

NAME = "gemini"
BASE = "https://generativelanguage.googleapis.com/v1beta"


def running(*answers, **config):
    settings = {**defaults_of(NAME), **config}
    return provider_under_test(provider_class(NAME), config=settings, respond=answers)


def chunk(*parts, finish=None, **more):
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "m-1", "responseId": "r-1", **more}


def answer(*parts, finish="STOP", **more):
    return Answer.of_json(chunk(*parts, finish=finish, **more))


def error(code, status, message="no", **more):
    body = {"error": {"code": code, "message": message, "status": status, **more}}
    return Answer.of_json(body, status=code)
