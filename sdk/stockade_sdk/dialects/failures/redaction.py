"""Text of vendors without keys in it: they echo the key they refuse, and upstreams' headers too.

What is replaced: keys by the shape of their vendor, masked keys, JSON web tokens and private keys,
whatever is given under a name such as ``api_key`` or ``?key=``, and runs of 32 or more mixed
letters and digits, for that is what the keys of Azure, Mistral and Deepgram look like. So a request
id of plain hexadecimal goes too; ids with dashes or a prefix, model names and URLs stay.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import re

MARK: Final = "[redacted]"

_START = r"(?<![A-Za-z0-9])"  # \b would take a letter of another script before a key for a part
_SHAPES: Final = (
    _START
    + r"(?:sk|pk|rk|ak)[-_][\w*.…-]{6,}",  # OpenAI, Anthropic, DeepSeek, OpenRouter, Moonshot
    _START + r"(?:gsk|xai|tgp|hf|pplx|csk|fw|key|nvapi|pa|jina|tvly|co|r8|gh[pousr]|tgp_v1)"
    r"[-_][A-Za-z0-9*]{16,}[\w*-]*",
    _START + r"github_pat_\w{16,}",
    _START + r"nvapi-[\w-]{20,}",
    _START + r"(?:AIza|AQ\.|ya29\.)[\w-]{10,}",  # Google
    _START + r"(?:AKIA|ASIA)[A-Z0-9]{12,}",  # AWS
    _START + r"eyJ[\w-]{6,}\.[\w.-]{5,}",  # a JSON web token
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?",
    r"(?<![\w*-])[\w-]{0,64}\*{3,}[\w*-]*",  # masked: what is left of a key is still a hint
    r"(?<![A-Za-z0-9_])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{32,}(?:\.[A-Za-z0-9]{8,})?",
)
_NAMES = (
    r"(?:x[-_])?(?:goog[-_])?api[-_ ]?key|subscription[-_]key|access[-_ ]?token|auth[-_ ]?token"
    r"|refresh[-_]token|id[-_]token|session[-_]token|security[-_]token|client[-_]?secret"
    r"|secret[-_]?(?:access[-_]?)?key|secret|password|passwd|private[-_]?key|credential|signature"
)
_GIVEN: Final = (  # what stands before the secret is kept
    _START + r"authorization\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?(?:(?:bearer|basic|token|key)\s+)?",
    _START + r"bearer\s+(?!auth|token|scheme|realm|format|prefix|header|error|key\b|is\b|in\b)",
    _START + r"basic\s+(?=[A-Za-z0-9+/]{0,200}(?:\d|=|(?-i:[a-z][A-Z])))",
    _START + r"(?:" + _NAMES + r")\\?[\"']?\s{0,3}[:=]\s{0,3}\\?[\"']?",
    r"[?&](?:key|token|sig|code|auth)=",
    r"(?:key|token) provided: (?:bearer\s+)?",
    _START + r"api[-_ ]?key\s(?:is\s)?(?=[\w.-]{0,200}\d)(?=[\w.-]{8})",
    _START + r"api[-_ ]?key\s\\?[\"'`]",
)
_VALUE: Final = (
    r"(?!your|(?:bearer|basic|token)\s)[^\s\"'`,;&<>(){}\[\]\\]{2,}[^\s\"'`,;&<>(){}\[\]\\.:!?]"
)
_USER: Final = r"(?<=://)[^\s/@:]{1,200}:[^\s/@]{1,200}(?=@)"  # name:password@host


def redact(text: str) -> str:
    """``text`` without anything that looks like a key; vendors echo the key they refuse.

    Takes time in proportion to the length of ``text``.
    """
    return _pattern().sub(_marked, text)


@cache
def _pattern() -> re.Pattern[str]:
    import re  # at first use: most workers never see an error

    given = f"(?P<given>{'|'.join(_GIVEN)}){_VALUE}"
    return re.compile("|".join((given, *_SHAPES, _USER)), re.IGNORECASE)


def _marked(found: re.Match[str]) -> str:
    return (found["given"] or "") + MARK
