"""A finished reader leaves the machine: as a zip, or to the Hugging Face Hub.

`huggingface_hub` is imported where it is used. A token is passed on and forgotten: it is stored nowhere, and no error
tells it.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from reader.errors import BadReader, BadUsage, DiskError, HubUnreachable, ReaderboardError
from reader.hub import require_hub

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TOKENS_PAGE = "https://huggingface.co/settings/tokens"


def zip_reader(folder: Path, target: Path) -> Path:
    """Pack a reader's files into the zip ``target``, under one folder of its name, and return ``target``.

    An old file of that name stays until the new one is whole. Raises `BadReader` where the folder holds no reader,
    and `DiskError` where something cannot be read or written.
    """
    names = _files_of_reader(folder)
    try:
        with _new_binary(target) as file, ZipFile(file, "w", strict_timestamps=False) as archive:
            for name in names:
                # Weights are noise to a compressor: minutes for a hundredth of their size.
                how = ZIP_STORED if name.endswith(".safetensors") else ZIP_DEFLATED
                archive.write(folder / name, f"{target.stem}/{name}", how)
    except OSError as error:
        place = error.filename or target
        raise DiskError(
            f"{place} cannot be read or written: {error.strerror or error}. Make room there or choose another place, "
            "then try again."
        ) from error
    return target


def push_reader(folder: Path, repo_id: str, token: str, *, private: bool = True) -> str:
    """Upload a reader's files to the Hub in one commit and return the address of its repository there.

    ``repo_id``: ``owner/name``, or a name under the token's own account. The repository is made where there is none,
    ``private`` or not; one that exists keeps its visibility and its other files. Raises `BadUsage` for a name or token
    that will not do, `BadReader` where the folder holds no reader, `DiskError` where a file cannot be read, and
    `HubUnreachable` where the Hub does not answer or is lost half way.
    """
    token = _require_token(token)
    _require_repo_id(repo_id, token)
    names = _files_of_reader(folder)
    require_hub(f"The place of {repo_id}")
    if "/" not in repo_id:
        repo_id = f"{name_of_token(token)}/{repo_id}"
    from huggingface_hub import CommitOperationAdd
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    with _sentences(repo_id, token), disable_progress_bars():
        api = _api(token)
        url = api.create_repo(repo_id, private=private, exist_ok=True)
        # Not upload_folder, which may make several commits of one folder.
        files = [CommitOperationAdd(name, folder / name) for name in names]
        api.create_commit(repo_id, files, commit_message="Upload a reader with Readerboard")
    return str(url)


def name_of_token(token: str) -> str:
    """Return the name of the Hub's user whose token this is.

    Raises `BadUsage` for a token that is none or no longer one, and `HubUnreachable` where the Hub does not answer.
    """
    token = _require_token(token)
    require_hub("The owner of a token")
    with _sentences("the owner of this token", token):
        user = _api(token).whoami()
    return str(user["name"])


def _files_of_reader(folder: Path) -> list[str]:
    """The names of the files that make a reader, in order.

    They lie flat in its folder: what is in folders of their own (an evaluation), hidden or a zip of them is not it.
    """
    if not folder.is_dir():
        raise BadReader(f"{folder} is no folder; a reader is a folder with config.json and model.safetensors.")
    names = sorted(
        path.name
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".zip"
    )
    if "config.json" not in names:
        raise BadReader(f"{folder} holds no config.json, so it is no reader. Choose a finished one.")
    if not any(name.endswith(".safetensors") for name in names):
        raise BadReader(f"{folder} holds no weights: model.safetensors was expected. Choose a finished reader.")
    return names


@contextmanager
def _new_binary(path: Path) -> Iterator[IO[bytes]]:
    """Yield a binary file beside ``path`` to write; it takes the place of ``path`` at the end, unless it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(beside):
            error.filename = str(path)
        raise


def _require_token(token: str) -> str:
    """Return the token without the white space of a copy; an empty one would let the machine's own login step in."""
    token = token.strip()
    if not token:
        raise BadUsage(
            f"Publishing needs a token of the Hugging Face Hub that may write, and none was given. Make one at "
            f"{TOKENS_PAGE} and enter it."
        )
    if not re.fullmatch("[!-~]+", token):
        raise BadUsage("This is no token of the Hub: it holds characters that no token has. Copy it again.")
    return token


def _require_repo_id(repo_id: str, token: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if token in repo_id:
        raise BadUsage("The token stands in the repository's name, where others would read it. Give it another name.")
    try:
        validate_repo_id(repo_id if repo_id.isascii() else "")  # its older versions let any letter pass
    except HFValidationError:
        raise BadUsage(
            f"'{repo_id:.200}' is no name for the Hub; expected name or owner/name, each of at most "
            "96 letters, digits and single - _ . between them, as in ann/my-reader."
        ) from None


def _api(token: str) -> HfApi:
    from huggingface_hub import HfApi, constants

    # Else each request tells which tools are installed, and the first one fetches a list of agents to look for.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    return HfApi(token=token)


@contextmanager
def _sentences(wanted: str, token: str) -> Iterator[None]:
    """Turn what the Hub's library raises about ``wanted`` into sentences without the token."""
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # its client: httpx or httpx2

    try:
        yield
    except (httpx.HTTPError, OSError, RuntimeError, ValueError, KeyError) as error:
        raise _sentence(error, wanted, token) from None


def _sentence(error: Exception, wanted: str, token: str) -> ReaderboardError:
    from huggingface_hub.errors import HfHubHTTPError

    if not isinstance(error, HfHubHTTPError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # what went wrong in a thread, or with the card, comes wrapped
    if isinstance(error, HfHubHTTPError):
        said = error.server_message or error.response.reason_phrase
        return _refusal(error.response.status_code, _without(token, said), wanted)
    if isinstance(error, KeyError):
        # A second repository of one name is refused with the first one's address; other conflicts tell none.
        return _refusal(409, "", wanted)
    # The Hub's library raises errors of the system too, for the network; those have no number, or are of this class.
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        return DiskError(f"{error.filename or 'A file'} cannot be read: {error.strerror}. Nothing was published.")
    reason = _one_line(_without(token, str(error))) or type(error).__name__
    return HubUnreachable(
        f"The exchange with the Hub about {wanted} broke off: {reason}. Check the connection and try again; what has "
        "arrived is not sent twice."
    )


def _refusal(status: int, said: str, wanted: str) -> ReaderboardError:
    """What an answer of the Hub other than yes means to a person."""
    answer = f"{status}: {_one_line(said)}" if said.strip() else str(status)
    if status == 401:
        return BadUsage(
            f"The Hub does not know this token: it is wrong, has expired or was revoked. Make another one that may "
            f"write, at {TOKENS_PAGE}, and enter it."
        )
    if status == 403:
        return BadUsage(
            f"This token may not write to {wanted} ({answer}). Take one with the right to write ({TOKENS_PAGE}), and a "
            "name under an account of yours."
        )
    if status == 404:
        return BadUsage(f"The Hub shows this token no {wanted} ({answer}). Check the name and what the token may see.")
    if status == 409:
        return BadUsage(f"{wanted} is taken or being changed ({answer}). Try again in a minute, or take another name.")
    if status == 429 or status >= 500:
        return HubUnreachable(f"The Hub cannot serve {wanted} now ({answer}). Try again later.")
    return BadUsage(f"The Hub refuses {wanted} ({answer}). Mend that (README.md is the reader's card), then try again.")


def _one_line(text: str) -> str:
    return f"{' '.join(text.split()):.300}".rstrip(".")


def _without(token: str, text: str) -> str:
    return text.replace(token, "…")
