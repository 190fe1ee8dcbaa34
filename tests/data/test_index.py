import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from telltale.data.index import (
    ABOUT,
    COLUMNS,
    FACTS,
    JOURNAL,
    Journal,
    fingerprint,
    made_by,
    only_writer,
    write_about,
    write_index,
)
from telltale.data.settings import BuildSettings
from telltale.errors import InvalidConfig

pytest.importorskip("pyarrow")
SETTINGS = BuildSettings()
VALUES: dict[str, Any] = {"string": "a", "int64": 1, "bool_": True}
ROW = {name: VALUES[kind] for name, kind in COLUMNS.items()}
FACT = {name: ROW[name] for name in FACTS}


def test_a_journal_gives_back_what_it_was_told_even_after_a_kill(tmp_path: Path) -> None:
    with Journal(tmp_path, SETTINGS) as journal:
        journal.add("1", FACT)
        journal.add("2", FACT | {"quality": None})
    with (tmp_path / JOURNAL).open("a") as stream:
        stream.write('["3", {"sha2')
    with Journal(tmp_path, SETTINGS) as again:
        assert again.rows == {"1": FACT, "2": FACT | {"quality": None}}
        again.add("4", FACT)
    with Journal(tmp_path, SETTINGS) as last:
        assert set(last.rows) == {"1", "2", "4"}


def test_a_finished_data_set_is_known_from_its_index(tmp_path: Path) -> None:
    write_index(tmp_path, [ROW | {"key": "1", "original_quality": None}])
    write_about(tmp_path, made_by(SETTINGS))
    with Journal(tmp_path, SETTINGS) as journal:
        assert journal.rows == {"1": FACT | {"original_quality": None}}


def test_half_files_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    with Journal(tmp_path, SETTINGS):
        pass
    half = tmp_path / "images" / "ab" / ".abc.png.123"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    with Journal(tmp_path, SETTINGS):
        assert not half.exists()


@pytest.mark.parametrize("name", [ABOUT, JOURNAL])
def test_other_settings_are_refused_by_name(tmp_path: Path, name: str) -> None:
    other = made_by(BuildSettings(seed=1, codec="webp")) | {"pillow_version": "9"}
    (tmp_path / name).write_text(json.dumps(other) + "\n")
    with pytest.raises(InvalidConfig, match="found another codec, seed, pillow_version"):
        Journal(tmp_path, SETTINGS)


def test_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("not worth a word")
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidConfig, match=r"other files \(thesis\.tex\)"):
        Journal(tmp_path, SETTINGS)
    (tmp_path / ABOUT).write_text("{}")
    with pytest.raises(InvalidConfig, match="a file of telltale"):
        Journal(tmp_path, SETTINGS)


def test_the_fingerprint_follows_content_and_settings_only() -> None:
    own = fingerprint(SETTINGS, [ROW])
    for name in ("path", "is_fake", "source", "split", "group", "built_sha256"):
        assert fingerprint(SETTINGS, [ROW | {name: "b"}]) != own
    for name in ("original_path", "original_width", "notes", "twin_of"):
        assert fingerprint(SETTINGS, [ROW | {name: "b"}]) == own
    assert fingerprint(BuildSettings(seed=1), [ROW]) != own
    assert fingerprint(SETTINGS, [ROW, ROW]) != own


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked there")
def test_a_second_process_that_builds_into_the_folder_is_told_so_and_a_dead_one_is_forgotten(tmp_path: Path) -> None:
    held = "import sys, pathlib, telltale.data.index as i\nwith i.only_writer(pathlib.Path(sys.argv[1])): pass"
    other = [sys.executable, "-c", held, str(tmp_path)]
    with only_writer(tmp_path):
        second = subprocess.run(other, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "a folder that no other process builds into" in second.stderr
    assert subprocess.run(other, check=False).returncode == 0
    assert not list(tmp_path.iterdir())
