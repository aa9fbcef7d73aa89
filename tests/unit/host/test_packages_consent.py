"""What is asked for, what is granted, what is shown, and what a source or a name means."""

import pytest

from stockade.errors import UsageError
from stockade.packages import consent_text, deny, escape, widened
from stockade.packages.names import names_near
from stockade.packages.permit import within
from stockade_sdk.hosts import HostRule
from stockade_sdk.limits import Limits
from stockade_sdk.manifest import Manifest, read_manifest
from stockade_sdk.permissions import PathRule, Permissions, SecretRequest
from tests.unit.host.packaging_samples import ASKS, MANIFEST

HOST = HostRule.parse("api.example.com")
ASKED = Permissions(
    network=(HOST, HostRule.parse("*.example.org"), HostRule.parse("x.example.org:8443")),
    tunnel=True,
    read=(PathRule.parse("/srv/models"),),
    write=(PathRule.parse("data"),),
    subprocess=True,
    environment=("LANG", "TZ"),
    secrets=(SecretRequest(name="KEY", hosts=(HOST,)), SecretRequest(name="OTHER")),
)


def manifest(more: str = "") -> Manifest:
    return read_manifest(MANIFEST.format(name="sample", version="1.0.0", more=more))


# ------------------------------------------------------------------------------------------- deny


@pytest.mark.parametrize(
    ("word", "field", "left"),
    [
        ("network:api.example.com", "network", ["*.example.org", "x.example.org:8443"]),
        ("network:*.example.org", "network", ["api.example.com", "x.example.org:8443"]),
        ("network:x.example.org:8443", "network", ["api.example.com", "*.example.org"]),
        ("read", "read", []),
        ("read:/srv", "read", []),
        ("write:data", "write", []),
        ("environment", "environment", []),
        ("environment:TZ", "environment", ["LANG"]),
    ],
)
def test_a_word_takes_away_what_it_names_and_no_more(word: str, field: str, left: list[str]):
    granted = deny(ASKED, [word])
    assert [str(item) for item in getattr(granted, field)] == left
    for other in Permissions.__struct_fields__:
        if other != field:
            assert getattr(granted, other) == getattr(ASKED, other)


def test_secrets_are_named_one_by_one():
    assert [secret.name for secret in deny(ASKED, ["secrets:KEY"]).secrets] == ["OTHER"]
    assert deny(ASKED, ["secrets"]).secrets == ()


def test_flags_go_and_without_hosts_no_tunnel_is_left():
    assert deny(ASKED, ["tunnel"]).tunnel is False
    assert deny(ASKED, ["subprocess"]).subprocess is False
    without = deny(ASKED, ["network"])
    assert (without.network, without.tunnel) == ((), False)


def test_words_add_up_and_denying_twice_is_denying():
    granted = deny(ASKED, ["network:api.example.com", "network", "subprocess", "subprocess"])
    assert granted.network == ()
    assert deny(ASKED, []) == ASKED


def test_denying_a_kind_that_was_not_asked_for_is_fine():
    assert deny(Permissions(), ["network", "tunnel", "secrets"]) == Permissions()


@pytest.mark.parametrize(
    "word",
    ["", "netwrok", "network:", "tunnel:x", "subprocess:ls", "all", ":x", "NETWORK", "a\x1b[31m"],
)
def test_an_unknown_word_is_refused_with_the_known_ones(word: str):
    with pytest.raises(UsageError) as caught:
        deny(ASKED, [word])
    assert "network:HOST[:PORT]" in caught.value.remedy
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "word",
    [
        "network:other.example.com",
        "network:a.example.org",  # below the wildcard: it cannot be taken out of it
        "network:api.example.com:80",
        "read:/etc",
        "environment:HOME",
        "secrets:key",
        "network:*",
        "read:relative",
    ],
)
def test_a_word_that_names_what_was_not_asked_for_is_refused(word: str):
    with pytest.raises(UsageError):
        deny(ASKED, [word])


# ---------------------------------------------------------------------------------------- widening


def test_what_is_covered_already_is_not_wider():
    assert widened(ASKED, ASKED) == Permissions()
    assert widened(ASKED, Permissions()) == Permissions()
    assert widened(Permissions(), ASKED) == ASKED
    narrower = Permissions(
        network=(HostRule.parse("a.example.org"),),
        read=(PathRule.parse("/srv/models/small"), PathRule.parse("data")),
    )
    assert widened(ASKED, narrower) == Permissions()


@pytest.mark.parametrize(
    "asked",
    [
        Permissions(network=(HostRule.parse("example.org"),)),
        Permissions(network=(HostRule.parse("a.example.org:80"),)),
        Permissions(read=(PathRule.parse("/srv"),)),
        Permissions(write=(PathRule.parse("/srv/models"),)),
        Permissions(environment=("HOME",)),
        Permissions(secrets=(SecretRequest(name="NEW"),)),
        Permissions(secrets=(SecretRequest(name="KEY", hosts=(HOST,), expose=True),)),
        Permissions(secrets=(SecretRequest(name="KEY", hosts=(HOST,), header="x-key"),)),
        Permissions(secrets=(SecretRequest(name="OTHER", hosts=(HOST,)),)),
    ],
    ids=["apex", "port", "parent", "write", "variable", "secret", "exposed", "header", "bound"],
)
def test_every_way_of_asking_for_more_is_seen(asked: Permissions):
    assert widened(ASKED, asked) == asked
    assert not within(ASKED, asked)


# ----------------------------------------------------------------------------------------- consent


def test_the_text_says_who_asks_for_what_and_the_risk():
    asked = manifest(ASKS)
    text = consent_text(
        asked,
        asked.permissions,
        asked.limits,
        digest="ab" * 32,
        trust="unsigned",
        operator_hosts=(HostRule.parse("localhost:8080"),),
        warnings=("Its name is close to simple.",),
    )
    for words in (
        "sample 1.0.0",
        "nobody vouches for it",
        "sha256:abab",
        "close to simple",
        "Sends what it is given (prompts, files, answers) to api.example.com",
        "/srv/models",
        "LANG",
        "SAMPLE_KEY",
        "localhost:8080",
        "memory 256 MiB",
    ):
        assert words in text


def test_what_is_denied_is_not_said_to_be_granted():
    asked = manifest(ASKS)
    granted = deny(asked.permissions, ["network:*.example.org"])
    text = consent_text(asked, granted, asked.limits)
    assert "example.org" not in text
    assert "api.example.com" in text


def test_nothing_asked_is_said_to_be_nothing():
    text = consent_text(manifest(), Permissions(), Limits())
    assert "It asks for nothing beyond computing." in text


def test_what_widens_stands_apart():
    new = Permissions(subprocess=True)
    text = consent_text(manifest(), ASKED, Limits(), new=new)
    assert text.index("It asks for more than it has") < text.index("It may:")


def test_a_strangers_text_cannot_act_on_the_terminal():
    evil = Manifest(
        name="evil\x1b[2J",
        version="1\r\n",
        entry=manifest().entry,
        sdk=">=0.1",
        summary="safe\u202eexe.\nTrust: shipped",
        authors=("\x07bell", *["a"] * 9),
        homepage="https://x/\x9b31m",
        requires=("x\x1b]0;title\x07",),
    )
    text = consent_text(evil, Permissions(), Limits(), trust="\x1b", differences=("a\nb",))
    assert all(line.isprintable() for line in text.split("\n"))
    assert "\nTrust: shipped" not in text
    assert "\\u202e" in text
    assert " and 5 more" in text


def test_escape_caps_and_keeps_other_scripts():
    assert escape("中文 é") == "中文 é"
    assert escape("x" * 500, 10) == "x" * 10 + "…"
    assert escape("a\x00\x1b\u2028") == "a\\u0000\\u001b\\u2028"


# ------------------------------------------------------------------------------- names and sources


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("open-ai", "openai"),
        ("0penai", "openai"),
        ("openal", "openai"),
        ("opnai", "openai"),
        ("oepnai", "openai"),
        ("anthr0plc", "anthropic"),
        ("azureopenai", "azure-openai"),
        ("gernini", "gemini"),
    ],
)
def test_a_look_alike_is_near(name: str, known: str):
    assert names_near(name, [known, "unrelated"]) == (known,)


@pytest.mark.parametrize(
    ("name", "known"),
    [("openai", "openai"), ("groq", "grok-cloud"), ("qwen", "echo"), ("mistral", "moonshot")],
)
def test_other_names_are_not(name: str, known: str):
    assert names_near(name, [known]) == ()


def test_the_shipped_names_are_not_near_each_other():
    names = "echo openai anthropic openrouter gemini azure-openai deepseek qwen moonshot mistral"
    names += " groq openai-compatible anthropic-compatible"
    for name in names.split():
        assert names_near(name, names.split()) == ()


# ------------------------------------------------------------------------------------------- trust


PRINT = "21fe31dfa154a261626bf854046fd227"
CLOSER = "[unsigned.ceilings]"


@pytest.mark.parametrize(
    ("trust", "signer", "key_name", "there", "absent"),
    [
        ("shipped", "", "", ["ships with stockade"], [CLOSER, "vouches"]),
        ("signed", PRINT, "ann", [f"a key you trust: ann ({PRINT})"], [CLOSER, "do not trust"]),
        ("unsigned", "", "", ["nobody vouches for it", CLOSER], ["Signed by"]),
        (
            "unsigned",
            PRINT,
            "",
            [f"Signed by a key you do not trust: {PRINT}", "trust add", CLOSER, "unsigned"],
            ["a key you trust"],
        ),
        ("development", "", "", ["under development", CLOSER], ["Signed by"]),
    ],
)
def test_the_consent_says_who_vouches_for_it(trust, signer, key_name, there, absent):
    text = consent_text(
        manifest(), Permissions(), Limits(), trust=trust, signer=signer, key_name=key_name
    )
    for words in there:
        assert words in text
    for words in absent:
        assert words not in text
