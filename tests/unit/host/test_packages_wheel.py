"""Reading a stranger's wheel: what is taken of it, and how it may contradict itself."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockade.errors import UsageError
from stockade.packages.contents import copy_source, read_source
from stockade.packages.folder import read_folder, tree_digest
from stockade.packages.source import Source
from stockade.packages.wheel import read_wheel
from tests.unit.host.archive_samples import (
    Entry,
    record_of,
    wheel_file,
    wheel_files,
    zip_bytes,
)
from tests.unit.host.packaging_samples import plugin_folder, tree

INFO = "sample-1.0.0.dist-info"
REQUIRES = 'requires = ["tiktoken>=0.7,<1", "Some_Thing[fast]"]'  # in [plugin], where `more` goes


def with_file(path: str, content: bytes = b"x") -> dict[str, bytes]:
    return {**wheel_files(), path: content}


def without(path: str) -> dict[str, bytes]:
    files = wheel_files()
    del files[path]
    return files


def changed(path: str, old: str, new: str) -> dict[str, bytes]:
    files = wheel_files()
    assert old in files[path].decode()
    files[path] = files[path].replace(old.encode(), new.encode())
    return files


def refused(wheel: Path, said: str) -> None:
    """The wheel is refused in these words, and nothing of it is written."""
    target = wheel.parent / "target"
    target.mkdir(exist_ok=True)
    with pytest.raises(UsageError, match=said) as caught:
        read_wheel(wheel, target)
    assert str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "place", ["{info}/plugin.toml", "plugin.toml", "sample_provider/plugin.toml"]
)
def test_a_wheel_is_taken_in_the_layout_of_the_store(tmp_path: Path, place: str):
    smoke = {place.format(info=INFO).replace("plugin.toml", "smoke.json"): b"{}"}
    wheel = wheel_file(tmp_path, {**wheel_files(place=place), **smoke})
    target = tmp_path / "target"
    target.mkdir()
    folder = plugin_folder(tmp_path)
    (folder / "smoke.json").write_text("{}")

    snapshot = copy_source(Source(kind="wheel", path=wheel, trust="unsigned", origin=""), target)

    assert tree(target) == tree(folder) == {
        "plugin.toml", "smoke.json", "sample_provider/", "sample_provider/__init__.py",
    }  # fmt: skip
    assert snapshot.digest == read_folder(folder).digest == tree_digest(target)[0]
    assert snapshot.manifest == (folder / "plugin.toml").read_bytes()
    assert snapshot.wheel is not None
    assert (snapshot.wheel.name, snapshot.wheel.version) == ("sample", "1.0.0")
    assert (snapshot.wheel.signer, snapshot.wheel.signature) == ("", "none")


def test_a_folder_is_read_by_the_same_call(tmp_path: Path):
    folder = plugin_folder(tmp_path)
    source = Source(kind="folder", path=folder, trust="unsigned", origin="")
    assert read_source(source) == read_folder(folder)
    assert read_source(source).wheel is None


def test_what_may_be_executed_stays_so(tmp_path: Path):
    files = {**wheel_files(), "sample_provider/run": b"#!"}
    entries = [Entry(*item) for item in files.items() if item[0] != "sample_provider/run"]
    entries.append(Entry("sample_provider/run", b"#!", mode=0o100755))
    entries.append(Entry(f"{INFO}/RECORD", record_of(files, INFO)))
    path = tmp_path / "sample-1.0.0-py3-none-any.whl"
    path.write_bytes(zip_bytes(entries))
    assert [entry.path for entry in read_wheel(path).files if entry.executable] == [
        "sample_provider/run"
    ]


# -------------------------------------------------------------------------------------- file names


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sample-1.0.0.whl", "no file name of a wheel"),
        ("sample.zip", "no file name of a wheel"),
        ("sample-1.0.0-py3-none-any.zip", "no file name of a wheel"),
        ("sample-x-py3-none-any.whl", "no file name of a wheel"),
        ("sample-1.0.0-cp27-cp27m-any.whl", "not for this Python"),
        ("sample-1.0.0-py3-none-win_amd64.whl", "not for this Python"),
        ("other-1.0.0-py3-none-any.whl", "one alone, of other 1.0.0"),
        ("sample-1.0.1-py3-none-any.whl", "one alone, of sample 1.0.1"),
    ],
)
def test_a_file_name_that_is_none_or_another_is_refused(tmp_path: Path, name: str, said: str):
    refused(wheel_file(tmp_path, name=name), said)


@pytest.mark.parametrize(
    "name",
    [
        "Sample-1.0.0-py3-none-any.whl",
        "sample-1.0.0-7-py2.py3-none-any.whl",
        "sample-v1.0.0-py3-none-any.whl",
    ],
)
def test_another_spelling_of_the_same_is_the_same(tmp_path: Path, name: str):
    facts = read_wheel(wheel_file(tmp_path, name=name)).wheel
    assert facts is not None
    assert facts.version == "1.0.0"


# ---------------------------------------------------------------------------------------- metadata


def test_a_source_archive_is_refused_with_the_reason(tmp_path: Path):
    path = tmp_path / "sample-1.0.0-py3-none-any.whl"
    path.write_bytes(zip_bytes([Entry("setup.py", b"raise SystemExit('built')")]))
    refused(path, "a build would run their code")


@pytest.mark.parametrize("name", ["METADATA", "WHEEL"])
def test_a_missing_file_of_the_metadata_is_said(tmp_path: Path, name: str):
    refused(wheel_file(tmp_path, without(f"{INFO}/{name}")), f"no {name} in {INFO}")


def test_two_folders_of_metadata_are_refused(tmp_path: Path):
    refused(wheel_file(tmp_path, with_file("other-1.0.dist-info/METADATA")), "one alone")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Name: sample", "Name: other", 'its METADATA says "other 1.0.0"'),
        ("Version: 1.0.0", "Version: 1.0.1", 'its METADATA says "sample 1.0.1"'),
        ("Name: sample\n", "", 'its METADATA says " 1.0.0"'),
    ],
)
def test_metadata_that_names_another_plugin_is_refused(tmp_path: Path, old, new, said: str):
    refused(wheel_file(tmp_path, changed(f"{INFO}/METADATA", old, new)), said)


@pytest.mark.parametrize(("old", "new"), [('"sample"', '"other"'), ('"1.0.0"', '"1.0.1"')])
def test_a_manifest_that_names_another_plugin_is_refused(tmp_path: Path, old: str, new: str):
    files = changed(f"{INFO}/plugin.toml", old, new)
    refused(wheel_file(tmp_path, files), "its file name says .* and its manifest")


@pytest.mark.parametrize(
    "other", ["plugin.toml", "sample_provider/plugin.toml", "docs/plugin.toml"]
)
def test_two_manifests_are_refused(tmp_path: Path, other: str):
    files = with_file(other, wheel_files()[f"{INFO}/plugin.toml"])
    refused(wheel_file(tmp_path, files), "two manifests")


def test_no_manifest_and_one_in_a_strange_place_are_said(tmp_path: Path):
    refused(wheel_file(tmp_path, without(f"{INFO}/plugin.toml")), "not one of a plugin")
    refused(wheel_file(tmp_path, wheel_files(place="elsewhere/plugin.toml")), "not beside the code")


def test_two_smoke_requests_for_one_place_are_refused(tmp_path: Path):
    files = {**with_file(f"{INFO}/smoke.json"), "smoke.json": b"{}"}
    refused(wheel_file(tmp_path, files), "is there twice")


@pytest.mark.parametrize("version", ["2.0", "", "one"])
def test_another_format_of_wheel_is_refused(tmp_path: Path, version: str):
    files = changed(f"{INFO}/WHEEL", "Wheel-Version: 1.0", f"Wheel-Version: {version}")
    refused(wheel_file(tmp_path, files), "of the wheel format")


@pytest.mark.parametrize(
    ("needs", "said"),
    [("<3", "needs Python"), (">=99", "needs Python"), ("nonsense", "needs Python")],
)
def test_another_python_is_refused(tmp_path: Path, needs: str, said: str):
    refused(wheel_file(tmp_path, wheel_files(metadata=f"Requires-Python: {needs}\n")), said)


@pytest.mark.parametrize(
    "lines",
    [
        ["tiktoken<1,>=0.7", "some.thing[FAST]"],
        ["tiktoken (>=0.7,<1)", "Some-Thing [fast]", "stockade-sdk>=0.1"],
        ["tiktoken<1,>=0.7", "some-thing[fast]", 'old; python_version < "3"', 'dev; extra == "x"'],
        ['tiktoken>=0.7,<1; python_version > "3"', "some-thing[fast]"],
    ],
)  # fmt: skip
def test_requirements_that_say_the_same_are_taken(tmp_path: Path, lines: list[str]):
    metadata = "".join(f"Requires-Dist: {line}\n" for line in lines)
    manifest_more = REQUIRES
    wheel = wheel_file(tmp_path, wheel_files(more=manifest_more, metadata=metadata))
    facts = read_wheel(wheel).wheel
    assert facts is not None
    assert facts.requires == ("tiktoken>=0.7,<1", "some-thing[fast]")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["evil"], 'its METADATA requires "evil", and its manifest does not'),
        (["tiktoken"], "its METADATA requires"),
        (["tiktoken @ https://evil.example/t.whl"], "its METADATA requires"),
        (["not a requirement"], "which is no requirement"),
        (["x; " + "(" * 2_000 + 'python_version > "3"' + ")" * 2_000], "which is no requirement"),
        ([], "its manifest requires"),
    ],
)
def test_requirements_that_were_not_shown_are_refused(tmp_path: Path, lines, said: str):
    own = "" if lines and lines != ["tiktoken"] else REQUIRES
    metadata = "".join(f"Requires-Dist: {line}\n" for line in lines)
    refused(wheel_file(tmp_path, wheel_files(more=own, metadata=metadata)), said)


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("[stockade.providers]\nsample = sample_provider:Sample\n", True),
        ("[console_scripts]\nsample = sample_provider:main\n", True),
        ("[other]\nx = y\n", True),
        ("[stockade.providers]\nsample = other:Sample\n", False),
        ("[stockade.providers]\nother = sample_provider:Sample\n", False),
        ("[stockade.providers]\nsample = sample_provider:Sample\nb = c:d\n", False),
        ("[stockade.providers\n", False),
        ("\xff", False),
    ],
)
def test_entry_points_that_name_another_class_are_refused(tmp_path: Path, text: str, good: bool):
    wheel = wheel_file(tmp_path, with_file(f"{INFO}/entry_points.txt", text.encode("latin-1")))
    if good:
        names = [entry.path for entry in read_wheel(wheel).files]
        assert names == ["plugin.toml", "sample_provider/__init__.py"]  # no script is made
    else:
        refused(wheel, "entry")


# ----------------------------------------------------------------------------------------- hazards


@pytest.mark.parametrize(
    "path",
    [
        "sample-1.0.0.data/scripts/run", "sample-1.0.0.data/data/etc/x",
        "sample-1.0.0.data/purelib/x.py", "sample-1.0.0.data/headers/x.h", "x.data/y",
        "x.pth", "sample_provider/x.pth", "sitecustomize.py", "usercustomize.py",
        "__editable___sample_finder.py", "__editable__.sample-1.0.0.pth",
        "os.py", "stockade/__init__.py", "stockade_sdk/x.py", "msgspec.so", "../x", "/x",
    ],
)  # fmt: skip
def test_what_would_act_outside_or_at_a_start_is_refused(tmp_path: Path, path: str):
    refused(wheel_file(tmp_path, with_file(path)), "cannot be used|no archive that can be used")
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "sample-1.0.0-py3-none-any.whl", "target",
    ]  # fmt: skip


def test_compiled_files_are_checked_and_left_behind(tmp_path: Path):
    path = "sample_provider/__pycache__/x.cpython-311.pyc"
    assert [entry.path for entry in read_wheel(wheel_file(tmp_path, with_file(path))).files] == [
        "plugin.toml", "sample_provider/__init__.py",
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------ RECORD


CODE_PATH = "sample_provider/__init__.py"


def record(old: str, new: str) -> bytes:
    text = record_of(wheel_files(), INFO).decode()
    assert old in text
    return text.replace(old, new, 1).encode()


def line() -> str:
    return next(
        row for row in record_of(wheel_files(), INFO).decode().splitlines() if CODE_PATH in row
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (line() + "\n", "", "in the wheel and not in RECORD"),
        (line(), line() + "\nghost.py,sha256=abc,1", "in RECORD and not in the wheel"),
        (line(), line() + "\n" + line(), "twice"),
        (line(), CODE_PATH + ",sha256=" + "A" * 43 + ",", "not the file that RECORD names"),
        (line(), line()[:-1] + "9999", "not the file that RECORD names"),
        (line(), CODE_PATH + ",md5=" + "A" * 22 + ",", "no hash of sha256"),
        (line(), CODE_PATH + ",sha1=" + "A" * 27 + ",", "no hash of sha256"),
        (line(), CODE_PATH + ",,", "no hash of sha256"),
        (line(), CODE_PATH, "not three fields"),
        (line(), line() + ",x", "not three fields"),
        (line(), line()[:-1] + "x", "no number"),
        (line(), '"' + line(), "no table"),
        (CODE_PATH, "./" + CODE_PATH, "not in RECORD"),
    ],
)
def test_a_record_that_does_not_hold_is_refused(tmp_path: Path, old: str, new: str, said: str):
    wheel = wheel_file(tmp_path, record=record(old, new))
    refused(wheel, said)
    assert "sample_provider/__init__.py" not in tree(tmp_path / "target")


def test_a_file_that_record_does_not_have_is_refused(tmp_path: Path):
    refused(wheel_file(tmp_path, entries=[Entry("more.py", b"x")]), "not in RECORD")


def test_a_changed_file_of_the_metadata_is_noticed(tmp_path: Path):
    old = record_of(wheel_files(), INFO)
    files = changed(f"{INFO}/WHEEL", "by hand", "by foot")
    refused(wheel_file(tmp_path, files, record=old), "not the file that RECORD names")


def test_a_size_need_not_be_said(tmp_path: Path):
    shorter = line().rpartition(",")[0] + ","
    assert read_wheel(wheel_file(tmp_path, record=record(line(), shorter))).files


def test_too_many_files_are_refused(tmp_path: Path):
    files = {f"sample_provider/f{number}": b"" for number in range(2_000)}
    refused(wheel_file(tmp_path, {**wheel_files(), **files}), "at most 2000 files")


# -------------------------------------------------------------------------------------------- fuzz

TEXTS = {
    **wheel_files(more=REQUIRES, metadata="Requires-Dist: tiktoken>=0.7,<1\n"),
    f"{INFO}/entry_points.txt": b"[stockade.providers]\nsample = sample_provider:Sample\n",
    f"{INFO}/RECORD.jws": b'{"payload":"e30","protected":"e30","signature":"AA"}',
}
PIECES = [
    b"", b"\x00", b"\xff", b"\n", b"[", b"]", b"(", b";", b"@", b"=", b",", b'"', b"%s", b"../",
    b"Name: x\n", b"Requires-Dist: x; python_version\n", b"Requires-Python: ~=\n", b"\n\n",
    b"Content-Type: multipart/mixed; boundary=x\n", b"\r", b": ", b" ", "\u202e".encode(),
]  # fmt: skip


@given(
    st.sampled_from([name for name in [*TEXTS, f"{INFO}/RECORD"] if INFO in name]),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 20), st.sampled_from(PIECES)),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=300, deadline=None)
def test_whatever_metadata_says_it_is_read_or_refused(name: str, changes):
    """RECORD fits what was changed, unless it was RECORD itself: every reader of it is reached."""
    files = {path: content for path, content in TEXTS.items() if path != f"{INFO}/RECORD.jws"}
    files |= {name: TEXTS[name]} if name in TEXTS else {}
    content = bytearray(record_of(files, INFO) if name.endswith("RECORD") else files[name])
    for where, length, piece in changes:
        at = int(where * len(content))
        content[at : at + length] = piece
    if not name.endswith("RECORD"):
        files[name] = bytes(content)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "target")
        target.mkdir()
        record = bytes(content) if name.endswith("RECORD") else None
        wheel = wheel_file(Path(folder), files, record=record)
        try:
            snapshot = read_wheel(wheel, target)
        except UsageError as error:
            said = str(error).replace("\n", "")
        else:
            said = ""
            assert tree_digest(target)[0] == snapshot.digest
        assert said.isprintable()
        assert sorted(one.name for one in Path(folder).iterdir()) == [wheel.name, "target"]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_bytes_a_wheel_has_nothing_is_written_beside_the_target(data: st.DataObject):
    with tempfile.TemporaryDirectory() as folder:
        wheel = wheel_file(Path(folder))
        target = Path(folder, "target")
        target.mkdir()
        content = bytearray(wheel.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(content) - 1))
            content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
        wheel.write_bytes(content)
        try:
            snapshot = read_wheel(wheel, target)
        except UsageError:
            pass
        else:
            assert tree_digest(target)[0] == snapshot.digest
        assert sorted(one.name for one in Path(folder).iterdir()) == [wheel.name, "target"]
