"""A reader's folder as a zip, and pushed to a Hub on this machine."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reader import hub as reader_hub
from reader.errors import BadReader, BadUsage, DiskError, HubUnreachable
from reader.publish import name_of_token, push_reader, zip_reader
from tests.full_disk import largest_file
from tests.push_stand_in import LOST, READ_TOKEN, WRITE_TOKEN, PushHub, push_hub

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "config.json", "model.safetensors", "reader_config.json", "tokenizer.json")
WRONG_TOKEN = "hf_nobodyHasThisOne"

# What the Hub's library does itself in an upload over LFS.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What looks like a finished reader, with what is not part of it."""
    folder = tmp_path / "my reader"
    (folder / "evaluation").mkdir(parents=True)
    (folder / "evaluation" / "metrics.json").write_text("{}")
    (folder / ".env").write_text("secret")
    for name in FILES:
        (folder / name).write_bytes(os.urandom(200_000) if name == "model.safetensors" else f"{name} é\r\n".encode())
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[PushHub]:
    """A Hub for this process, large files over LFS; the machine has a login of its own."""
    from huggingface_hub import close_session, constants

    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setenv("HF_TOKEN", WRONG_TOKEN)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    reader_hub._probe.cache_clear()
    close_session()
    with push_hub() as served:
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        monkeypatch.setattr(constants, "ENDPOINT", served.endpoint)
        yield served
    close_session()
    reader_hub._probe.cache_clear()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def published(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_readers_files_arrive_in_one_commit_of_a_private_repository(hub: PushHub, folder: Path) -> None:
    assert push_reader(folder, "ann/my-reader", WRITE_TOKEN) == f"{hub.endpoint}/ann/my-reader"
    assert hub.files == {"ann/my-reader": published(folder)}
    assert hub.visibility == {"ann/my-reader": "private"}
    assert len(hub.commits) == 1


def test_a_public_repository_only_where_it_is_asked_for(hub: PushHub, folder: Path) -> None:
    push_reader(folder, "ann/my-reader", WRITE_TOKEN, private=False)
    assert hub.visibility == {"ann/my-reader": "public"}


def test_a_repository_that_exists_keeps_its_visibility_and_its_other_files(hub: PushHub, folder: Path) -> None:
    hub.visibility["ann/my-reader"] = "public"
    hub.files["ann/my-reader"] = {"notes.md": b"kept", "README.md": b"old"}
    push_reader(folder, "ann/my-reader", WRITE_TOKEN)
    assert hub.visibility == {"ann/my-reader": "public"}
    assert hub.files["ann/my-reader"] == {"notes.md": b"kept", **published(folder)}


def test_a_bare_name_is_one_under_the_tokens_own_account(hub: PushHub, folder: Path) -> None:
    assert name_of_token(WRITE_TOKEN) == "ann"
    assert push_reader(folder, "mine", f" {WRITE_TOKEN}\n") == f"{hub.endpoint}/ann/mine"
    assert list(hub.files) == ["ann/mine"]


def test_as_the_library_is_installed_nothing_is_said_and_nothing_of_the_token_is_left(
    folder: Path, tmp_path: Path
) -> None:
    script = """
import sys
from pathlib import Path
from reader.publish import push_reader
print(push_reader(Path(sys.argv[1]), "ann/my-reader", sys.stdin.read()))
"""
    home = tmp_path / "home"
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
    kept = {name: value for name, value in os.environ.items() if name not in offline}
    with push_hub() as served:
        mine = {"HF_ENDPOINT": served.endpoint, "HF_HOME": str(home), "HF_TOKEN": WRONG_TOKEN, "no_proxy": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", script, str(folder)],
            input=WRITE_TOKEN,
            env=kept | mine,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.stdout, done.stderr) == (f"{served.endpoint}/ann/my-reader\n", "")
    assert served.files == {"ann/my-reader": published(folder)}
    assert not any(WRITE_TOKEN.encode() in content for content in contents(home).values())


def test_the_token_is_in_no_file_and_no_log_and_the_folder_is_as_it_was(
    hub: PushHub, folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    before = contents(folder)
    push_reader(folder, "my-reader", WRITE_TOKEN)
    assert contents(folder) == before
    assert caplog.records
    assert WRITE_TOKEN not in caplog.text + "".join(capfd.readouterr())


def test_no_telemetry(hub: PushHub, folder: Path) -> None:
    push_reader(folder, "my-reader", WRITE_TOKEN)
    assert not [request for request in hub.requests if "agent" in request]
    assert not [agent for agent in hub.agents if "torch" in agent]


def refusal(kind: type[Exception], folder: Path, repo_id: str = "ann/my-reader", token: str = WRITE_TOKEN) -> str:
    with pytest.raises(kind) as caught:
        push_reader(folder, repo_id, token)
    assert not token.strip() or token not in str(caught.value)
    assert caught.value.__cause__ is None, "a traceback would tell what the Hub said"
    return str(caught.value)


def test_a_wrong_token(hub: PushHub, folder: Path) -> None:
    assert "does not know this token" in refusal(BadUsage, folder, token=WRONG_TOKEN)
    assert "does not know this token" in refusal(BadUsage, folder, "my-reader", WRONG_TOKEN)
    with pytest.raises(BadUsage, match="does not know this token"):
        name_of_token(WRONG_TOKEN)


def test_a_token_that_may_only_read(hub: PushHub, folder: Path) -> None:
    said = refusal(BadUsage, folder, token=READ_TOKEN)
    assert said.startswith("This token may not write to ann/my-reader (403: ") and "[…]" in said
    hub.visibility["ann/my-reader"] = "public"
    assert refusal(BadUsage, folder, token=READ_TOKEN).startswith("This token may not write to ann/my-reader (403: ")
    assert hub.files == {}


def test_a_name_of_somebody_else(hub: PushHub, folder: Path) -> None:
    hub.visibility["bob/his"] = "public"
    for name in ("bob/new", "bob/his"):
        assert refusal(BadUsage, folder, name).startswith(f"This token may not write to {name} (403: ")


@pytest.mark.parametrize(
    ("token", "match"),
    [("", "none was given"), (" \n", "none was given")]
    + [(token, "characters that no token has") for token in ("hf_two words", "hf_é", "hf_two\nlines")],
)
def test_what_is_no_token_is_refused_before_any_request(hub: PushHub, folder: Path, token: str, match: str) -> None:
    assert match in refusal(BadUsage, folder, token=token)
    with pytest.raises(BadUsage, match=match):
        name_of_token(token)
    assert hub.requests == []


@pytest.mark.parametrize("name", ["", "a b", "a/b/c", "/a", "ann/", "a--b", "a..b", "-a", "é", "a.git", "x" * 97])
def test_what_is_no_name_is_refused_before_any_request(hub: PushHub, folder: Path, name: str) -> None:
    assert f"'{name}' is no name for the Hub; expected name or owner/name" in refusal(BadUsage, folder, name)
    assert hub.requests == []


def test_a_token_in_the_place_of_the_name_is_neither_sent_nor_told(hub: PushHub, folder: Path) -> None:
    for name in (WRITE_TOKEN, f"ann/{WRITE_TOKEN}", f"a b/{WRITE_TOKEN}"):
        assert "token stands in the repository's name" in refusal(BadUsage, folder, name)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("address", "status", "kind", "match"),
    [
        ("/repos/create", 409, BadUsage, r"ann/my-reader is taken or being changed \(409\)"),
        ("/repos/create", 500, HubUnreachable, r"cannot serve ann/my-reader now \(500: "),
        ("/validate-yaml", 400, BadUsage, r"refuses ann/my-reader \(400: .*README\.md is the reader's card"),
        ("/preupload/", 404, BadUsage, "shows this token no ann/my-reader"),
        ("/store/lfs/", 413, BadUsage, r"refuses ann/my-reader \(413: As the test wants it"),
        ("/commit/", 409, BadUsage, "ann/my-reader is taken or being changed"),
        ("/commit/", LOST, HubUnreachable, "about ann/my-reader broke off: .*not sent twice"),
    ],
)
def test_a_refusal_or_a_loss_half_way(
    hub: PushHub, folder: Path, address: str, status: int, kind: type[Exception], match: str
) -> None:
    hub.refused[address] = status
    with pytest.raises(kind, match=match):
        push_reader(folder, "ann/my-reader", WRITE_TOKEN)
    assert hub.commits == []


def test_a_hub_that_cannot_be_reached(hub: PushHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.perf_counter()
        assert "cannot be reached" in refusal(HubUnreachable, folder)
        assert time.perf_counter() - start < 5


@pytest.mark.parametrize("lacking", ["config.json", "model.safetensors", ""])
def test_a_folder_without_a_reader_is_neither_pushed_nor_zipped(hub: PushHub, folder: Path, lacking: str) -> None:
    if lacking:
        (folder / lacking).unlink()
    else:
        folder = folder / "none"
    assert str(folder) in refusal(BadReader, folder)
    assert hub.requests == []
    with pytest.raises(BadReader, match="reader"):
        zip_reader(folder, folder.parent / "new" / "reader.zip")
    assert not (folder.parent / "new").exists()


def test_a_zip_holds_exactly_the_readers_files(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "reader-v1.2.zip"
    assert zip_reader(folder, target) == target
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"reader-v1.2/{name}" for name in FILES]
        assert {name: archive.read(f"reader-v1.2/{name}") for name in FILES} == published(folder)
        stored = [entry.filename for entry in archive.infolist() if entry.compress_type == zipfile.ZIP_STORED]
    assert stored == ["reader-v1.2/model.safetensors"]
    assert os.listdir(target.parent) == [target.name]


def test_a_zip_beside_the_readers_own_files_does_not_hold_the_last_one(folder: Path) -> None:
    zip_reader(folder, folder / "first.zip")
    with zipfile.ZipFile(zip_reader(folder, folder / "second.zip")) as archive:
        assert len(archive.namelist()) == len(FILES)


def test_a_zipped_reader_reads_again(tmp_path: Path) -> None:
    from reader.checkpoints import load_checkpoint
    from tests.tiny_models import make

    folder = make("bert", tmp_path / "tiny")
    with zipfile.ZipFile(zip_reader(folder, tmp_path / "packed.zip")) as archive:
        archive.extractall(tmp_path)
    first, again = (load_checkpoint(str(path)).model.state_dict() for path in (folder, tmp_path / "packed"))
    assert first.keys() == again.keys()
    assert all(bool((again[key] == value).all()) for key, value in first.items())


def test_a_full_disk_leaves_the_old_zip_and_no_half_one(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "zips" / "reader.zip"
    target.parent.mkdir()
    target.write_bytes(b"old")
    with (
        largest_file(100_000),
        pytest.raises(DiskError, match=r"reader\.zip cannot .*: File too large"),
    ):
        zip_reader(folder, target)
    assert target.read_bytes() == b"old"
    assert os.listdir(target.parent) == ["reader.zip"]


def test_a_zip_that_is_broken_off_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        zip_reader(folder, tmp_path / "zips" / "reader.zip")
    assert os.listdir(tmp_path / "zips") == []


def test_a_folder_in_the_place_of_the_zip(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "zips" / "reader.zip").mkdir(parents=True)
    with pytest.raises(DiskError, match=r"zips/reader\.zip cannot be read or written: Is a directory"):
        zip_reader(folder, tmp_path / "zips" / "reader.zip")
    assert os.listdir(tmp_path / "zips") == ["reader.zip"]
