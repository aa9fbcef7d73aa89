"""Plugins in a folder of plugins: found by their manifests, never run."""

from pathlib import Path

from stockade.registry.discovery import discover
from tests.unit.host.packaging_samples import plugin_folder


def test_plugins_are_found_in_the_order_of_roots_and_names(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for root, name in ((second, "alpha"), (first, "zeta"), (first, "beta")):
        plugin_folder(root, name)

    found = discover([first, tmp_path / "missing", second])

    assert list(found.plugins) == ["beta", "zeta", "alpha"]
    assert found.plugins["alpha"] == second / "alpha"
    assert found.diagnostics == ()


def test_what_is_no_plugin_is_passed_over_and_the_others_stay(tmp_path: Path) -> None:
    plugin_folder(tmp_path, "good")
    plugin_folder(tmp_path, "broken")
    (tmp_path / "broken" / "plugin.toml").write_text("[plugin")
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.py").write_text("raise SystemExit('was run')")
    for hidden in (".hidden", "__pycache__"):
        plugin_folder(tmp_path, "hidden").rename(tmp_path / hidden)
    (tmp_path / "link").symlink_to(tmp_path / "good")

    found = discover([tmp_path])

    assert list(found.plugins) == ["good"]
    assert [(one.level, one.code, one.keys) for one in found.diagnostics] == [
        ("warn", "invalid_manifest", ("broken",))
    ]


def test_of_two_plugins_with_one_id_the_first_stays(tmp_path: Path) -> None:
    plugin_folder(tmp_path / "one", "bedrock")
    plugin_folder(tmp_path / "two", "aws-bedrock")

    found = discover([tmp_path / "one", tmp_path / "two"])

    assert list(found.plugins) == ["bedrock"]
    assert [one.code for one in found.diagnostics] == ["duplicate_provider"]


def test_a_root_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    found = discover([file])

    assert found.plugins == {}
    assert [one.code for one in found.diagnostics] == ["unreadable_folder"]
