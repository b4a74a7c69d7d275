"""Folders of the servers: nobody else's, and nothing that a link names."""

import os
import stat
from pathlib import Path

import pytest

from config.services import places
from config.services.places import ServiceUnavailable, make_private


def test_a_folder_is_made_and_kept_private(tmp_path: Path) -> None:
    folder = make_private(tmp_path / "a" / "b")

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert make_private(folder) == folder


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_not_followed(tmp_path: Path, *, there: bool) -> None:
    victim = tmp_path / "victim"
    if there:
        victim.mkdir(mode=0o755)
        victim.chmod(0o755)
    link = tmp_path / "state"
    link.symlink_to(victim)

    with pytest.raises(
        ServiceUnavailable, match=r"is not a folder or is a link\. Remove it"
    ):
        make_private(link)

    if there:
        assert stat.S_IMODE(victim.stat().st_mode) == 0o755
        assert victim.stat().st_uid == os.geteuid()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "state").touch()

    with pytest.raises(
        ServiceUnavailable, match=r"is not a folder or is a link\. Remove it"
    ):
        make_private(tmp_path / "state")


@pytest.mark.skipif(not places.is_root(), reason="only root can give folders away")
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 12_345, 12_345)

    with pytest.raises(ServiceUnavailable, match="belongs to another user"):
        make_private(folder)
