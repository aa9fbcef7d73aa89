"""What one plugin does to its own supervision ends that plugin, and no other."""

import os
from pathlib import Path

import pytest

from stockade.supervisor import bounds
from tests.system.hostile import Site, Stage, new_site

CLOSES_ITS_FOLDER = """
class Provider:
    async def chat(self, request, ctx):
        if request.last_text == "close":
            os.fchmod(os.open(ctx.data_dir, os.O_RDONLY | os.O_DIRECTORY), 0)
        return FINE

    async def embed(self, request, ctx):
        return EmbeddingResponse(embeddings=((0.0,),))
"""
PLAIN = CLOSES_ITS_FOLDER


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return new_site(tmp_path)


@pytest.mark.skipif(os.getuid() == 0, reason="root looks into a folder whatever its mode is")
async def test_a_data_folder_that_is_closed_to_the_host_ends_its_own_plugin_alone(
    site: Site,
) -> None:
    rogue = site.install(CLOSES_ITS_FOLDER, permissions='write = ["data"]')

    async with site.host(rogue) as stage:
        assert await stage.text("hello", plugin=rogue) == "fine"
        async with stage.unharmed():
            await stage.ask("close", plugin=rogue)
            reason = await stage.died()

    site.home.data_of(rogue).chmod(0o700)
    assert "data" in reason
    assert "make" in reason or "remove" in reason


async def test_a_fault_in_the_watch_over_one_worker_ends_that_one_and_is_written_down(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    rogue = site.install(PLAIN, permissions='write = ["data"]')
    weigh = bounds.Bounds._weigh

    async def faulty(self: bounds.Bounds, name: str, folder: Path, *more: object) -> None:
        raise RuntimeError("a fault of the host's own")

    async with site.host(rogue) as stage, stage.unharmed():
        monkeypatch.setattr(bounds.Bounds, "_weigh", faulty)
        assert not await answered(stage, rogue)
        monkeypatch.setattr(bounds.Bounds, "_weigh", weigh)
        await stage.until(lambda: "a fault of the host's own" in stage.log())


async def answered(stage: Stage, rogue: str) -> bool:
    """Whether the plugin still answers a second later: its watch begins when it is placed."""
    try:
        for _ in range(200):
            await stage.text("hello", plugin=rogue, timeout=1.0)
    except Exception:  # noqa: BLE001  # whatever it is called
        return False
    return True
