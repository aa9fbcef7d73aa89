"""An entry that names a program of the plugin's."""

import pytest

from stockade_sdk.manifest import EntryPoint, Manifest, ManifestError, read_manifest

TEXT = """\
manifest = 1

[plugin]
name = "echo-in-c"
version = "0.1.0"
entry = "{entry}"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
{more}
"""


def read(entry: str, more: str = "") -> Manifest:
    return read_manifest(TEXT.format(entry=entry, more=more), source="plugin.toml")


@pytest.mark.parametrize("path", ["bin/echo", "a/b/c-d_e.f+1", "Bin/x86_64"])
def test_a_program_is_a_file_in_a_folder_of_the_plugins(path: str) -> None:
    entry = read(f"./{path}").entry

    assert entry == EntryPoint(program=path)
    assert str(entry) == f"./{path}"
    assert entry.top == path.partition("/")[0]


def test_a_class_is_no_program() -> None:
    entry = read("my_provider.code:MyProvider").entry

    assert (entry.program, entry.top) == ("", "my_provider")


@pytest.mark.parametrize(
    "entry",
    [
        "./echo",  # at the top, where a wheel has code and metadata
        "./",
        "./bin/",
        ".//bin/echo",
        "/bin/echo",
        "bin/echo",
        "./../bin/echo",
        "./bin/../echo",
        "./bin/.echo",
        "./.hidden/echo",
        "./bin/./echo",
        "./bin//echo",
        "./bin/a b",
        "./bin/ä",
        r"./bin\\echo",
        "./bin/echo:Echo",
        "./bin/-x",
        "./bin/" + "x" * 200,
    ],
)
def test_no_other_path_is_one(entry: str) -> None:
    with pytest.raises(ManifestError) as refused:
        read(entry)

    assert [problem.key for problem in refused.value.problems] == ["plugin.entry"]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('requires = ["tiktoken>=0.7"]', "plugin.requires"),
        ('[permissions]\nnetwork = ["example.com"]\ntunnel = true', "permissions.tunnel"),
    ],
)
def test_what_is_pythons_alone_does_not_go_with_a_program(more: str, key: str) -> None:
    assert read("sample:Sample", more).entry.module == "sample"
    with pytest.raises(ManifestError) as refused:
        read("./bin/echo", more)

    assert [problem.key for problem in refused.value.problems] == [key]
