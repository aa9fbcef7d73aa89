"""The operator's network: what `[egress]` and the environment say, and which way a host goes."""

import pytest

from stockade.errors import SettingsError
from stockade.settings import EgressSettings, Proxy, parse_settings
from stockade.settings.egress import parse_exempt, parse_proxy
from stockade_sdk.text import TextRefused


def settings(*exempt, proxy="http://proxy.corp.example:3128"):
    return EgressSettings(proxy=parse_proxy(proxy), no_proxy=tuple(map(parse_exempt, exempt)))


def test_the_table_is_read():
    read = parse_settings(
        b"[egress]\n"
        b'proxy = "http://user:pass@Proxy.corp.example:3128/"\n'
        b'no_proxy = ["*.internal.example", "10.0.0.0/8", "[::1]:8080"]\n'
        b'ca_file = "/etc/ssl/corp.pem"\n'
    ).egress

    assert isinstance(read.proxy, Proxy)
    assert read.proxy.endpoint == "proxy.corp.example:3128"
    assert read.proxy.authorization == "Basic dXNlcjpwYXNz"
    assert read.ca_file == "/etc/ssl/corp.pem"
    assert read.proxy_for("a.internal.example", 443) is None
    assert read.proxy_for("internal.example", 443) is read.proxy


def test_no_text_of_it_shows_the_password():
    read = settings(proxy="http://user:s3cr%40t@proxy.corp.example:3128")

    for text in (repr(read), str(read), str(read.proxy), f"{read.proxy!r}"):
        assert "s3cr" not in text
        assert "dXNlcj" not in text
    assert isinstance(read.proxy, Proxy)
    assert read.proxy.secrets == ("dXNlcjpzM2NyQHQ=", "s3cr@t")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[egress]\nproxy = "https://u:topsecret@proxy:1"', "egress.proxy is not the URL"),
        ('[egress]\nproxy = "socks5://proxy:1080"', "egress.proxy is not the URL"),
        ('[egress]\nproxy = "proxy:3128"', "egress.proxy is not the URL"),
        ('[egress]\nproxy = "http://u:topsecret@proxy:1/path"', "egress.proxy is not the URL"),
        ('[egress]\nproxy = "http://u:topsecret@0x7f.1:1"', "egress.proxy names the host"),
        ('[egress]\nproxy = "http://u:topsecret@proxy:0"', "egress.proxy has a port out of range"),
        ('[egress]\nproxy = "http://u:topsecret%0a@proxy:1"', "egress.proxy has a control"),
        ("[egress]\nproxy = true", "egress.proxy is not text"),
        ('[egress]\nno_proxy = "x"', "egress.no_proxy is not a list"),
        ('[egress]\nno_proxy = ["*"]', "egress.no_proxy"),
        ('[egress]\nno_proxy = ["10.0.0.0/33"]', "egress.no_proxy is not a network"),
        ('[egress]\nno_proxy = ["a:0"]', "egress.no_proxy has no valid port"),
        ('[egress]\nca_file = "corp.pem"', "egress.ca_file is not a whole path"),
        ('[egress]\nca = "x"', "egress.ca is not a setting"),
    ],
)
def test_what_is_wrong_is_refused_without_its_password(text, said):
    with pytest.raises(SettingsError) as refused:
        parse_settings(text.encode())

    assert said in str(refused.value)
    assert "topsecret" not in str(refused.value)


@pytest.mark.parametrize(
    ("exempt", "host", "port", "direct"),
    [
        ("a.example", "a.example", 443, True),
        ("a.example", "x.a.example", 443, False),
        ("a.example", "evila.example", 443, False),
        ("a.example:8443", "a.example", 443, False),
        ("a.example:8443", "a.example", 8443, True),
        ("*.a.example", "x.y.a.example", 443, True),
        ("*.a.example", "a.example", 443, False),
        ("*.a.example", "evila.example", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "ten.example", 443, False),
        ("fd00::/8", "fd00::1", 443, True),
        ("192.0.2.1", "192.0.2.1", 443, True),
        ("[2001:db8::1]:8443", "2001:db8::1", 8443, True),
        ("2001:db8::1", "2001:db8::1", 443, True),
        ("unrelated.example", "localhost", 443, True),  # this machine never goes by a proxy
        ("unrelated.example", "a.localhost", 443, True),
        ("unrelated.example", "127.0.0.2", 443, True),
        ("unrelated.example", "::1", 443, True),
        ("unrelated.example", "notlocalhost", 443, False),
        ("unrelated.example", "192.168.1.1", 443, False),
    ],
)
def test_an_exception_holds_what_it_names_and_nothing_beside(exempt, host, port, direct):
    assert (settings(exempt).proxy_for(host, port) is None) is direct


def test_without_a_proxy_everything_is_direct():
    assert EgressSettings().or_of({}).proxy_for("api.example.com", 443) is None


def test_the_environment_fills_in_what_is_not_set():
    environ = {
        "HTTPS_PROXY": "http://other.corp.example:8080",
        "https_proxy": "proxy.corp.example:3128",
        "NO_PROXY": "internal.example, .svc,*.foo.example 10.0.0.0/8,rubbish_,[",
        "SSL_CERT_FILE": "/etc/ssl/corp.pem",
    }
    read = EgressSettings().or_of(environ)

    assert isinstance(read.proxy, Proxy)
    assert read.proxy.endpoint == "proxy.corp.example:3128"  # small letters first
    assert read.ca_file == "/etc/ssl/corp.pem"
    direct = ["internal.example", "a.internal.example", "x.svc", "a.foo.example", "10.1.1.1"]
    assert [host for host in direct if read.proxy_for(host, 443) is not None] == []
    assert read.proxy_for("api.example.com", 443) is read.proxy
    assert EgressSettings().or_of({**environ, "NO_PROXY": "*"}).proxy_for("x.example", 1) is None


def test_what_is_set_stands_against_the_environment():
    environ = {"https_proxy": "http://other.corp.example:1", "no_proxy": "*", "SSL_CERT_FILE": "/x"}
    set_ = EgressSettings(proxy=parse_proxy("http://proxy.corp.example:3128"), ca_file="/y")

    assert set_.or_of(environ) == set_
    none = EgressSettings(proxy=parse_proxy("none")).or_of(environ)
    assert none.proxy_for("api.example.com", 443) is None


@pytest.mark.parametrize(
    "url", ["socks5://u:topsecret@proxy:1", "https://proxy:1", "http://0x7f.1"]
)
def test_a_proxy_of_the_environment_that_cannot_be_used_is_not_passed_over(url):
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as refused:
        EgressSettings().or_of({"HTTPS_PROXY": url})

    assert "topsecret" not in str(refused.value)


def test_a_bare_port_is_no_exception():
    with pytest.raises(TextRefused):
        parse_exempt(":80")
