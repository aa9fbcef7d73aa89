"""Whole answers of Google's wire for tests."""

import base64
from typing import Any

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def answered(*parts, finish="STOP", **more) -> dict[str, Any]:
    """An answer of one candidate."""
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish}
    return {"candidates": [candidate], "modelVersion": "m-1", "responseId": "r-1", **more}


FULL: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True},
                    {"text": "yes", "thoughtSignature": "c2ln"},
                    {"text": ""},
                    {"inlineData": {"mimeType": "image/png", "data": PNG}},
                    {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": "AAA="}},
                    {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
                    {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
                    {"functionCall": {"name": "g", "id": "given"}},
                    {"executableCode": {"language": "PYTHON", "code": "1"}},
                ],
            },
            "finishReason": "STOP",
            "finishMessage": "Model generated function call(s).",
            "index": 0,
            "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}],
            "citationMetadata": {"citationSources": [{"uri": "https://a.example"}]},
            "groundingMetadata": {"webSearchQueries": ["a"]},
            "avgLogprobs": -0.5,
        },
        {
            "content": {"role": "model", "parts": [{"text": "no"}]},
            "finishReason": "STOP",
            "index": 1,
        },
    ],
    "promptFeedback": {"safetyRatings": []},
    "usageMetadata": {
        "promptTokenCount": 10,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 7,
        "toolUsePromptTokenCount": 3,
        "totalTokenCount": 25,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 8},
            {"modality": "AUDIO", "tokenCount": 2},
        ],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}],
        "trafficType": "ON_DEMAND",
    },
    "modelVersion": "m-1",
    "responseId": "r-1",
    "createTime": "2026-01-01T00:00:00Z",
}
