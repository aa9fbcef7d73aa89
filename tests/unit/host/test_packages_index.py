"""Packages by name: resolved by uv, fetched with their hashes, from a loopback index."""

import hashlib
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from stockade.errors import HostError, UsageError
from stockade.packages.index import download, fetch_plugin
from stockade.packages.resolver import find_uv, run_uv, uv_environment
from stockade.packages.transfer import fetch_file
from tests.unit.host.package_index import (
    Index,
    file_name,
    plugin_wheel,
    serving,
    wheel_bytes,
    wheelhouse,
)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Index]:
    for name in ("UV_FIND_LINKS", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving() as one:
        for name, value in one.environment().items():
            monkeypatch.setenv(name, value)
        yield one


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def test_a_package_by_name_is_the_newest_wheel_as_the_index_has_it(index: Index, into: Path):
    newest = plugin_wheel("sample", "2.0.0")
    index.add("sample", plugin_wheel("sample", "1.0.0"))
    index.add("sample", newest, version="2.0.0")
    steps: list[str] = []

    found = fetch_plugin("sample", into, on_step=steps.append)

    assert found.name == "sample-2.0.0-py3-none-any.whl"
    assert found.read_bytes() == newest
    assert steps == ["resolve", "download"]
    assert [path.name for path in into.iterdir()] == [found.name]
    assert fetch_plugin("sample==1.0.0", into).name == "sample-1.0.0-py3-none-any.whl"


def test_what_a_plugin_requires_is_not_fetched_with_it(index: Index, into: Path):
    index.add("sample", plugin_wheel(requires=("absent>=3",)))
    assert fetch_plugin("sample", into).is_file()
    assert not [path for path in index.asked if "absent" in path]


def test_of_several_wheels_the_one_for_this_machine_is_taken(index: Index, into: Path):
    for tag in ("cp39-cp39-win_amd64", "py3-none-any", "cp311-cp311-macosx_11_0_arm64"):
        index.add("sample", plugin_wheel(), file_name("sample", tag=tag))
    assert fetch_plugin("sample", into).name == file_name("sample")


@pytest.mark.parametrize(
    ("text", "said"), [("a b", "package name"), ("a @ http://x/a.whl", "package name")]
)
def test_what_is_no_package_name_asks_nobody(index: Index, into: Path, text: str, said: str):
    with pytest.raises(UsageError, match=said):
        fetch_plugin(text, into)
    assert index.asked == []


def fetch(url: str, into: Path, content: bytes) -> None:
    fetch_file(
        url, into / "x.whl", sha256=hashlib.sha256(content).hexdigest(), most_bytes=1_000_000
    )


def only_source_archives(index: Index) -> None:
    index.add("sample", b"setup.py", "sample-1.0.0.tar.gz")


def only_another_python(index: Index) -> None:
    index.add("sample", plugin_wheel(), file_name("sample", tag="cp39-cp39-win_amd64"))


def out_of_order(index: Index) -> None:
    index.statuses["sample"] = 503


def locked(index: Index) -> None:
    index.add("sample", plugin_wheel())
    index.password = "somebody:secret"


def exchanged(index: Index) -> None:
    index.add("sample", plugin_wheel())
    index.served[file_name("sample")] = plugin_wheel(more="# another")


def for_a_later_python(index: Index) -> None:
    index.add("sample", plugin_wheel())
    index.python = "&gt;=3.99"


def another_version(index: Index) -> None:
    index.add("sample", plugin_wheel(version="9.0.0"), version="9.0.0")


@pytest.mark.parametrize(
    ("arrange", "said", "remedy"),
    [
        (lambda index: None, "no package of that name", "check the name"),
        (another_version, "no such version", "check the name"),
        (only_source_archives, "only source archives", "wheels"),
        (only_another_python, "no wheel of it for this Python.*cp39", "another version of Python"),
        (for_a_later_python, "does not work with this Python", "another version of Python"),
        (out_of_order, "out of order", "later"),
        (locked, "does not let you in", "netrc"),
        (exchanged, "its hash is sha256:", "do not install it"),
    ],
)
def test_each_failure_is_told_by_its_kind_and_leaves_no_file(
    index: Index, into: Path, arrange, said: str, remedy: str
):
    arrange(index)
    with pytest.raises(HostError, match=r"cannot be (had|fetched)") as caught:
        fetch_plugin("sample==1.0.0", into)
    unknown = remedy == "check the name"
    assert type(caught.value) is (UsageError if unknown else HostError)
    assert re.search(said, caught.value.why)
    assert remedy in caught.value.remedy
    assert list(into.iterdir()) == []


def test_an_index_without_hashes_serves_and_what_it_gave_first_is_held_to(index: Index, into: Path):
    index.add("sample", plugin_wheel())
    index.hashes = False
    assert fetch_plugin("sample", into).is_file()


def test_an_index_that_nobody_answers_at_is_told(into: Path, index: Index, monkeypatch):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    with pytest.raises(HostError, match="cannot be reached") as caught:
        fetch_plugin("sample", into)
    assert "--offline" in caught.value.remedy


def test_an_index_that_does_not_answer_is_told(into: Path, index: Index, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
        with pytest.raises(HostError, match="did not answer in time"):
            fetch_plugin("sample", into)


@pytest.mark.parametrize(
    ("scheme", "begun"),
    [
        ("http", b""),
        ("http", b"HTTP/1.1 200 OK\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"),
        ("https", b"\x16\x03\x03\x40\x00"),  # a record of the handshake, of 16 KiB
    ],
)
def test_an_answer_that_drips_is_given_up_at_the_deadline(into: Path, scheme: str, begun: bytes):
    with dripping(begun) as port, pytest.raises(HostError, match="did not answer in time"):
        fetch_file(
            f"{scheme}://127.0.0.1:{port}/x.whl",
            into / "x.whl",
            sha256="0" * 64,
            most_bytes=1_000_000,
            whole_s=0.3,
        )
    assert list(into.iterdir()) == []


@contextmanager
def dripping(begun: bytes) -> Iterator[int]:
    """Say `begun` to whoever comes, then a byte at a time until they leave."""

    def serve() -> None:
        with server.accept()[0] as client, suppress(OSError):
            client.sendall(begun)
            while not ended.wait(0.02):
                client.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join()


def test_a_file_larger_than_it_may_be_is_given_up(index: Index, into: Path):
    index.add("sample", plugin_wheel())
    with pytest.raises(HostError, match="larger than 100 B"):
        fetch_file(
            f"{index.root}/files/sample/{file_name('sample')}",
            into / "x.whl",
            sha256="0" * 64,
            most_bytes=100,
        )
    assert list(into.iterdir()) == []


def test_offline_asks_nobody(index: Index, into: Path):
    index.add("sample", plugin_wheel())
    with pytest.raises(HostError, match="nothing is fetched offline"):
        fetch_plugin("sample", into, offline=True)
    assert index.asked == []
    assert list(into.iterdir()) == []


def test_a_name_and_a_password_go_to_the_index_alone(index: Index, into: Path, monkeypatch):
    locked(index)
    host = index.url.removeprefix("http://")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://somebody:secret@{host}")
    assert fetch_plugin("sample", into).is_file()


def test_a_password_does_not_follow_to_another_host(index: Index, into: Path, monkeypatch):
    locked(index)
    host = index.url.removeprefix("http://")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://somebody:secret@{host}")
    with serving() as other:
        other.add("sample", plugin_wheel())
        path = f"/files/sample/{file_name('sample')}"
        index.redirects[path] = f"{other.root}{path}"
        fetch(f"{index.root}{path}", into, plugin_wheel())
        assert other.told == [""]
    assert index.told == ["Basic c29tZWJvZHk6c2VjcmV0"]


def test_a_redirect_to_what_is_no_web_address_is_not_followed(index: Index, into: Path):
    index.add("sample", plugin_wheel())
    path = f"/files/sample/{file_name('sample')}"
    for address in ("file:///etc/hostname", "ftp://127.0.0.1/x"):
        index.redirects[path] = address
        with pytest.raises(HostError, match=r"without TLS|status 302"):
            fetch(f"{index.root}{path}", into, plugin_wheel())
    assert list(into.iterdir()) == []


def test_the_operators_proxy_is_asked(index: Index, into: Path, monkeypatch):
    index.add("sample", plugin_wheel())
    monkeypatch.setenv("http_proxy", index.root)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    url = f"http://packages.invalid/files/sample/{file_name('sample')}"
    fetch(url, into, plugin_wheel())
    assert index.asked == [url]


def test_a_password_of_netrc_counts(index: Index, into: Path, tmp_path: Path):
    locked(index)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    assert fetch_plugin("sample", into).is_file()


def test_settings_of_pip_are_named_as_what_does_not_count(index: Index, into: Path, monkeypatch):
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("UV_CONFIG_FILE", str(into.parent / "uv.toml"))
    (into.parent / "uv.toml").write_text(f'[[index]]\nurl = "{index.url}"\ndefault = true\n')
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    with pytest.raises(HostError) as caught:
        fetch_plugin("sample", into)
    assert "pip's index settings do not count" in caught.value.remedy


def test_settings_of_the_folder_one_stands_in_do_not_count(
    index: Index, into: Path, tmp_path: Path, monkeypatch
):
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "uv.toml").write_text('[[index]]\nurl = "http://127.0.0.1:9/"\ndefault = true\n')
    (stranger / "pyproject.toml").write_text('[tool.uv]\nindex-url = "http://127.0.0.1:9/"\n')
    monkeypatch.chdir(stranger)
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/uv").mkdir(parents=True)
    (tmp_path / "config/uv/uv.toml").write_text(f'index-url = "{index.url}"\n')
    index.add("sample", plugin_wheel())
    assert fetch_plugin("sample", into).is_file()


def test_of_two_indexes_the_first_that_knows_a_name_is_heard_alone(
    index: Index, into: Path, monkeypatch
):
    index.add("sample", plugin_wheel(version="99.0.0"), version="99.0.0")
    with serving() as own:
        own.add("sample", plugin_wheel())
        monkeypatch.setenv("UV_INDEX", own.url)
        found = fetch_plugin("sample", into)
    assert found.name == file_name("sample")
    assert index.asked == []


def test_all_that_is_required_comes_down_for_a_bundle(index: Index, into: Path):
    index.add("one", wheel_bytes("one", requires=("two",)))
    index.add("two", wheel_bytes("two"))
    found = download(["one"], into)
    assert sorted(path.name for path in found) == [file_name("one"), file_name("two")]
    assert hashlib.sha256(found[0].read_bytes()).hexdigest() in {
        hashlib.sha256(index.files[name][file_name(name)]).hexdigest() for name in ("one", "two")
    }
    assert download([], into) == ()


def test_wheels_of_a_folder_are_found_without_any_index(index: Index, into: Path, monkeypatch):
    links = wheelhouse(into.parent / "links", "one")
    monkeypatch.setenv("UV_FIND_LINKS", str(links))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    found = download(["one"], into, offline=True)
    assert [path.name for path in found] == [file_name("one")]
    assert index.asked == []


def test_what_would_weaken_uv_is_not_handed_on():
    given = {
        "UV_NO_VERIFY_HASHES": "1",
        "PYTHONPATH": "/x",
        "VIRTUAL_ENV": "/x",
        "UV_DEFAULT_INDEX": "http://x",
        "https_proxy": "http://y",
    }
    seen = uv_environment(given)
    assert seen["UV_DEFAULT_INDEX"] == "http://x"
    assert seen["https_proxy"] == "http://y"
    assert not {"UV_NO_VERIFY_HASHES", "PYTHONPATH", "VIRTUAL_ENV"} & set(seen)


def test_a_resolution_that_takes_too_long_is_ended():
    with pytest.raises(HostError, match="took longer than 0 s"):
        run_uv("it cannot be had", ["--version"], timeout_s=0.0)


def test_without_the_uv_of_stockade_the_one_on_the_path_serves(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="there is no uv") as caught:
        find_uv()
    assert "install stockade again" in caught.value.remedy
    (tmp_path / "uv").touch(mode=0o755)
    assert find_uv() == str(tmp_path / "uv")
