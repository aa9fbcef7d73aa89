"""Manifests: the good one reads, every bad one is refused with line, key and remedy."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk.capability import Capability, Price
from stockade_sdk.limits import Limits
from stockade_sdk.manifest import (
    MAX_MANIFEST_BYTES,
    Manifest,
    ManifestError,
    Problem,
    read_manifest,
    read_manifest_file,
)
from stockade_sdk.manifest.config_values import ConfigField, check_config_value
from stockade_sdk.manifest.lines import key_lines

# ruff: noqa: E501
GOOD = """\
manifest = 1

[plugin]
name = "azure-openai"                 # [a-z][a-z0-9]*(-[a-z0-9]+)*, at most 40 characters
version = "1.0.0"                     # PEP 440
summary = "Chat and embeddings from Azure OpenAI deployments"
authors = ["..."]                     # optional, with license, homepage
entry = "stockade_azure_openai:AzureOpenAI"
sdk = ">=0.1,<0.2"
requires = []                         # further PyPI packages, wheels only; empty: the shared base environment serves
capabilities = ["chat"]               # only where there is no [[models]]: the plugin then serves one model called "default"

[[models]]
id = "gpt-4o"
name = "GPT-4o"
capabilities = ["chat", "vision"]
features = ["streaming", "tools", "parallel_tools", "json_object", "json_schema", "reasoning"]
context_tokens = 128000
max_output_tokens = 16384
aliases = ["gpt4o"]
price = { input = "2.50", output = "10.00", cache_read = "1.25" }    # USD per 1,000,000 tokens; absent means unknown, never 0

[config.endpoint]                     # what an operator sets with `stockade config`
type = "url"                          # string | url | integer | number | boolean | choice
required = true
help = "https://<resource>.openai.azure.com"

[permissions]
network = ["*.openai.azure.com"]      # host or host:port (443 if none); *.x is one or more labels, never the apex; empty or absent: none at all
tunnel = false                        # true: raw TLS tunnels to those hosts for libraries that bring their own HTTP client
read = []                             # host paths, absolute; "data" is the plugin's own folder
write = ["data"]
subprocess = false
environment = []                      # variables passed through by name

[[permissions.secrets]]
name = "AZURE_OPENAI_API_KEY"
help = "Key 1 of the resource"
hosts = ["*.openai.azure.com"]        # the host puts the real value on requests to these hosts only
header = "api-key"                    # with format = "Bearer {}" where the value needs a prefix
expose = false                        # true: the real value goes into the worker (request signing, tunnels); shown as a risk at install

[limits]                              # each has a default and an operator ceiling
memory = "256 MiB"
cpu = 1.0                             # cores
processes = 32                        # processes and threads
open_files = 256
scratch = "64 MiB"                    # private /tmp
workers = 1                           # workers at most; the host starts more under load, none when idle
concurrency = 16                      # calls at a time in one worker
start_timeout = "10s"
request_timeout = "60s"
idle_stop = "10m"
"""

MINIMAL = """\
manifest = 1
[plugin]
name = "echo"
version = "1"
entry = "echo_plugin:Echo"
sdk = ">=0.1"
capabilities = ["chat"]
"""


def problems_of(text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(ManifestError) as caught:
        read_manifest(text)
    return caught.value.problems


def problem_at(text: str, key: str) -> Problem:
    found = [problem for problem in problems_of(text) if problem.key == key]
    assert found, [problem.key for problem in problems_of(text)]
    return found[0]


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_the_full_example_reads_as_written():
    manifest = read_manifest(GOOD)
    assert manifest.name == "azure-openai"
    assert str(manifest.entry) == "stockade_azure_openai:AzureOpenAI"
    [model] = manifest.served_models
    assert model.capabilities == (Capability.CHAT, Capability.VISION)
    assert model.price == Price(input="2.50", output="10.00", cache_read="1.25")
    assert manifest.config["endpoint"].required
    assert [str(rule) for rule in manifest.permissions.network] == ["*.openai.azure.com"]
    assert manifest.permissions.secrets[0].header == "api-key"
    assert manifest.limits == Limits()


def test_absent_sections_grant_nothing_and_take_defaults():
    manifest = read_manifest(MINIMAL.encode())
    assert manifest.permissions.network == ()
    assert not manifest.permissions.allows_host("example.com", 443)
    assert manifest.limits == Limits()
    [model] = manifest.served_models
    assert (model.id, model.capabilities) == ("default", (Capability.CHAT,))


def test_windows_line_ends_keep_the_line_numbers():
    text = MINIMAL.replace('"1"', '"one"').replace("\n", "\r\n")
    assert problem_at(text, "plugin.version").line == 4


@pytest.mark.parametrize(
    ("old", "new", "key", "line", "says"),
    [
        ("manifest = 1", "manifest = 2", "manifest", 1, "write manifest = 1"),
        ("manifest = 1", "", "manifest", None, "missing"),
        ("summary", "sumary", "plugin.sumary", 6, "write summary"),
        ("[limits]", "[limit]", "limit", 42, "write limits"),
        ("memory =", "memry =", "limits.memry", 43, "write memory"),
        ('"azure-openai"', "7", "plugin.name", 4, "whole number"),
        ('"azure-openai"', '"Azure"', "plugin.name", 4, "a-z"),
        ('"azure-openai"', '"a--b"', "plugin.name", 4, "a-z"),
        ('"azure-openai"', f'"{"a" * 41}"', "plugin.name", 4, "at most 40"),
        ('version = "1.0.0"', 'version = "one"', "plugin.version", 5, "PEP 440"),
        ('version = "1.0.0"', 'version = ""', "plugin.version", 5, "PEP 440"),
        ("Chat and", "Chat\\u001b[2J", "plugin.summary", 6, "U+001B"),
        ("Chat and", "Chat\\u202e", "plugin.summary", 6, "U+202E"),
        ("Chat and", "Chat\\u009b", "plugin.summary", 6, "U+009B"),
        ("Chat and", "x" * 200, "plugin.summary", 6, "at most 200"),
        ("entry =", "# entry =", "plugin.entry", 3, "module:Class"),
        ("stockade_azure_openai:Azure", "my-plugin:Azure", "plugin.entry", 8, "module:Class"),
        ("stockade_azure_openai:Azure", "a.b.", "plugin.entry", 8, "module:Class"),
        ("stockade_azure_openai:", "stockade_sdk.chat:", "plugin.entry", 8, "own"),
        ("stockade_azure_openai:", "zmq:", "plugin.entry", 8, "own"),
        ("stockade_azure_openai:", "os.path:", "plugin.entry", 8, "own"),
        ("stockade_azure_openai:", "class:", "plugin.entry", 8, "module:Class"),
        (">=0.1,<0.2", "latest", "plugin.sdk", 9, ">=0.1,<0.2"),
        ("requires = []", 'requires = ["a @ https://x"]', "plugin.requires[0]", 10, "package name"),
        ("requires = []", 'requires = ["--index-url=x"]', "plugin.requires[0]", 10, "package name"),
        ("requires = []", 'requires = ["./a"]', "plugin.requires[0]", 10, "package name"),
        ("requires = []", 'requires = ["a; os_name"]', "plugin.requires[0]", 10, "package name"),
        ("requires = []", 'requires = ["stockade"]', "plugin.requires[0]", 10, "stockade itself"),
        ('= ["chat"]', '= ["rerank"]', "plugin.capabilities", 11, "leave the line out"),
        ('"chat", "vision"', '"chat", "vison"', "models[0].capabilities[1]", 16, '"vision"'),
        ('"chat", "vision"', "", "models[0].capabilities", 16, "empty"),
        ('"gpt-4o"', '"gpt 4o"', "models[0].id", 14, "letters"),
        ('"streaming"', '"streeming"', "models[0].features[0]", 17, '"streaming"'),
        ("= 128000", "= 0", "models[0].context_tokens", 18, "from 1"),
        ("= 128000", "= true", "models[0].context_tokens", 18, "whole number"),
        ('"gpt4o"', '"auto"', "models[0].aliases[0]", 20, "route"),
        ('"gpt4o"', '"gpt-4o"', "models[0].aliases", 20, "taken"),
        ('input = "2.50"', "input = 2.5", "models[0].price.input", 21, 'in quotes, as in "2.5"'),
        ('input = "2.50"', 'input = "-1"', "models[0].price.input", 21, "US dollars"),
        ('input = "2.50"', 'input = "NaN"', "models[0].price.input", 21, "US dollars"),
        ("cache_read", "cached", "models[0].price.cached", 21, "cache_read"),
        ('type = "url"', 'type = "uri"', "config.endpoint.type", 24, '"url"'),
        ("required = true", 'required = "yes"', "config.endpoint.required", 25, "true or false"),
        ("required = true", "default = 5", "config.endpoint.default", 25, "text"),
        ("required = true", 'choices = ["a"]', "config.endpoint.choices", 25, "choice"),
        (
            '["*.openai.azure.com"]      #',
            '["ok.com", "*"] #',
            "permissions.network[1]",
            29,
            "every",
        ),
        ('["*.openai.azure.com"]      #', '"a.com" #', "permissions.network", 29, "a list"),
        ("read = []", 'read = ["/srv/../etc"]', "permissions.read[0]", 31, ".."),
        ('write = ["data"]', 'write = ["/"]', "permissions.write[0]", 32, "everything"),
        (
            "environment = []",
            'environment = ["LD_PRELOAD"]',
            "permissions.environment[0]",
            34,
            "steers",
        ),
        ('"AZURE_OPENAI_API_KEY"', '"key"', "permissions.secrets[0].name", 37, "EXAMPLE_API_KEY"),
        (
            'hosts = ["*.openai.azure.com"]',
            'hosts = ["evil.com"]',
            "permissions.secrets[0].hosts",
            39,
            "permissions.network",
        ),
        ('"api-key"', '"Host"', "permissions.secrets[0].header", 40, "only the host sets"),
        ('"api-key"', '"a b"', "permissions.secrets[0].header", 40, "name of a header"),
        ("expose = false", 'format = "{}{}"', "permissions.secrets[0].format", 41, "exactly one"),
        (
            "expose = false",
            'format = "a\\r\\n{}"',
            "permissions.secrets[0].format",
            41,
            "value of a header",
        ),
        ('"256 MiB"', '"12 MB"', "limits.memory", 44, 'write "12 MiB"'),
        ('"256 MiB"', '"1 MiB"', "limits.memory", 44, '"32 MiB"'),
        ('"256 MiB"', "256", "limits.memory", 44, '"256 MiB"'),
        ("cpu = 1.0", "cpu = nan", "limits.cpu", 45, "0.05"),
        ("processes = 32", "processes = 0", "limits.processes", 46, "100000"),
        ("processes = 32", "processes = 1.5", "limits.processes", 46, "whole number"),
        ('"10s"', '"0s"', "limits.start_timeout", 51, '"24h"'),
        ('"10m"', '"25h"', "limits.idle_stop", 53, '"24h"'),
    ],
)
def test_a_bad_value_is_refused_with_line_key_and_remedy(old, new, key, line, says):
    text = changed(old, new)
    problem = problem_at(text, key)
    # The first changed line is where the problem is, unless a key went missing.
    if line is not None and "missing" not in problem.message and key != "limit":
        pairs = zip(GOOD.splitlines(), text.splitlines(), strict=True)
        edited = [at for at, (one, other) in enumerate(pairs, 1) if one != other]
        assert problem.line in edited
    assert says in f"{problem.message}; {problem.remedy}"


def test_all_problems_are_told_at_once_a_paragraph_each():
    text = changed('"256 MiB"', '"12 MB"').replace("entry =", "entri =")
    with pytest.raises(ManifestError) as caught:
        read_manifest(text, source="my/plugin.toml")
    paragraphs = str(caught.value).split("\n\n")
    assert len(paragraphs) == len(caught.value.problems) == 3
    assert any(
        p.startswith("my/plugin.toml:") and 'limits.memory: "12 MB"' in p and 'write "12 MiB"' in p
        for p in paragraphs
    )


def test_a_plugin_without_models_and_capabilities_is_refused():
    text = MINIMAL.replace('capabilities = ["chat"]', "")
    assert "[[models]]" in problem_at(text, "plugin.capabilities").remedy


def test_an_alias_is_taken_once_over_all_models():
    twice = '[[models]]\nid = "a"\ncapabilities = ["chat"]\naliases = ["x"]\n'
    text = MINIMAL + twice + twice.replace('"a"', '"b"')
    assert "taken" in problem_at(text, "models[1].aliases").message


def test_a_secret_is_named_once():
    secret = '[[permissions.secrets]]\nname = "A_KEY"\n'
    problem = problem_at(MINIMAL + secret + secret, "permissions.secrets[1].name")
    assert (problem.line, "twice" in problem.message) == (11, True)


def test_a_secret_without_hosts_waits_for_the_operator():
    manifest = read_manifest(
        MINIMAL + '[[permissions.secrets]]\nname = "A_KEY"\nheader = "x-key"\n'
    )
    assert manifest.permissions.secrets[0].hosts == ()


def test_too_many_models_are_refused():
    text = MINIMAL.replace('capabilities = ["chat"]', "") + '[[models]]\nid = "a"\n' * 501
    assert problem_at(text, "models").remedy == "write at most 500"
    assert len(problems_of(text)) == 101


def test_syntax_errors_have_their_line():
    [problem] = problems_of(MINIMAL + "broken = = 1\n")
    assert (problem.line, "TOML" in problem.message) == (8, True)


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        "\ufeff" + MINIMAL,
        "x = " + "[" * 50_000,
        "x = " + "9" * 5_000,
        "a." * 60_000 + "a = 1",
        '"a" . ' * 40_000,
        "a" * 200_000,
        '"' + '\\"' * 100_000,
        "#" * (MAX_MANIFEST_BYTES + 1),
        "\x00",
        '"\ud800" = 1',
    ],
    ids=range(11),
)
def test_hostile_texts_are_refused_quickly(text):
    assert problems_of(text)


def test_hostile_keys_do_not_reach_the_terminal():
    with pytest.raises(ManifestError) as caught:
        read_manifest(MINIMAL + '"\\u001b[2J\\u202e" = 1\n', source="a\x1bb")
    shown = str(caught.value)
    assert all(character.isprintable() or character == "\n" for character in shown)


@given(st.binary(max_size=400))
def test_any_bytes_give_a_manifest_or_a_manifest_error(content):
    read_or_refuse(content)


PIECES = st.sampled_from(
    [
        *GOOD.splitlines(keepends=True),
        "[[models]]\n",
        "x = [1, {a = 2}]\n",
        '"\\u0000" = """\n',
        "{",
        "[",
        '"',
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_mixture_of_lines_gives_a_manifest_or_a_manifest_error(text):
    read_or_refuse(text)


@given(st.data())
def test_any_wrong_type_gives_a_manifest_error(data):
    lines = GOOD.splitlines()
    at = data.draw(st.sampled_from([i for i, line in enumerate(lines) if " = " in line]))
    value = data.draw(
        st.sampled_from(
            [
                "1",
                "-1",
                "1.5",
                "true",
                '""',
                "[]",
                "[1]",
                "{}",
                "inf",
                "1979-05-27",
                '[["a"]]',
                "[{}]",
                "{a = {b = []}}",
                '"\\u0000"',
            ]
        )
    )
    lines[at] = f"{lines[at].split(' = ')[0]} = {value}"
    read_or_refuse("\n".join(lines))


def read_or_refuse(text: str | bytes) -> None:
    problems: tuple[Problem, ...] | None = None
    try:
        assert isinstance(read_manifest(text), Manifest)
    except ManifestError as error:
        problems = error.problems
    assert problems != ()


def test_a_file_is_read_and_its_name_is_in_the_messages(tmp_path: Path):
    file = tmp_path / "plugin.toml"
    file.write_text(GOOD)
    assert read_manifest_file(file) == read_manifest(GOOD)
    file.write_text("")
    with pytest.raises(ManifestError, match=r"plugin\.toml: manifest: is missing"):
        read_manifest_file(file)


def test_links_folders_fifos_and_large_files_are_refused(tmp_path: Path):
    (tmp_path / "good").write_text(GOOD)
    (tmp_path / "link").symlink_to(tmp_path / "good")
    (tmp_path / "large").write_text("#" * (MAX_MANIFEST_BYTES + 1))
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "large", "fifo", ".", "absent", "nul\0"):
        with pytest.raises(ManifestError):
            read_manifest_file(f"{tmp_path}/{name}")


def test_lines_are_found_for_every_form_of_key():
    text = r'''# comment
top = """
long "" string \
"""
[a."b.c"]
x.y = [
  1,  # ]
  { p = "}", q = [2] },
]
[[t]]
k = 'one'
[[t]]
k = 1
[t.sub]
z = 1979-05-27 07:32:00
[[t.rows]]
[[t.rows]]
v = """"quoted"""""
last = 1
'''
    lines = key_lines(text)
    assert lines["top",] == 2
    assert lines["a", "b.c"] == 5
    assert lines["a", "b.c", "x", "y"] == 6
    assert lines["a", "b.c", "x", "y", 1, "q", 0] == 8
    assert lines["t", 1, "k"] == 13
    assert lines["t", 1, "sub", "z"] == 15
    assert lines["t", 1, "rows", 1, "v"] == 18
    assert lines["t", 1, "rows", 1, "last"] == 19


@pytest.mark.parametrize(
    ("kind", "given_value", "expected"),
    [
        ("string", "héllo", "héllo"),
        ("integer", "8", 8),
        ("integer", -3, -3),
        ("number", "0.5", 0.5),
        ("number", 2, 2),
        ("boolean", "true", True),
        ("boolean", False, False),
        ("choice", "fast", "fast"),
        ("url", "https://a.example.com/v1?x=1", "https://a.example.com/v1?x=1"),
        ("url", "http://localhost:11434/v1", "http://localhost:11434/v1"),
        ("url", "http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_a_setting_takes_values_of_its_type(kind, given_value, expected):
    field = ConfigField(type=kind, choices=("fast", "exact"))
    found = check_config_value(field, given_value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", "a\nb"),
        ("string", 5),
        ("string", "x" * 5000),
        ("integer", "1.5"),
        ("integer", True),
        ("integer", "٣"),
        ("integer", "9" * 17),
        ("number", "nan"),
        ("number", float("inf")),
        ("number", "1e999"),
        ("boolean", "yes"),
        ("boolean", 1),
        ("choice", "fest"),
        ("url", "ftp://a.com"),
        ("url", "a.com"),
        ("url", "https://"),
        ("url", "https://user:pass@a.com"),
        ("url", "https://a.com/#x"),
        ("url", "https://a.com#"),
        ("url", "https://a.com:0/"),
        ("url", "https://a.com:/"),
        ("url", "https://a.com:99999/"),
        ("url", "https://a.com\\@b.com"),
        ("url", "https://0x7f.1/"),
        ("url", "https://<resource>.a.com"),
        ("url", "https://a.com/\t"),
        ("url", "https://[::1"),
    ],
)
def test_a_setting_refuses_other_values(kind, value):
    field = ConfigField(type=kind, choices=("fast", "exact"))
    with pytest.raises(ValueError, match="; "):
        check_config_value(field, value)
