"""Files of a case: photos, signatures, documents. Taken in by what they are, not by what they say they are.

A file is kept as it came, outside the web root; nothing in it is decoded, so a photo keeps the time and the place its
camera wrote into it. Only the timeline's digest says what it was; a row is never changed or deleted, and a trigger sees
to that. An edge does three things:

    with received(uploads) as files:          # looks at them, before any lock is taken
        service(…, files=files)               # stores them under the case's lock, by `attach`
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess  # nosec B404
import tempfile
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage
from django.db import DatabaseError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _

from common.bulk import insert_rows
from common.errors import DomainError, InvalidInput
from common.given import choice
from customers.models import Customer

from . import events
from .models import Attachment, Case, Note
from .services import add_fact

# Rooms above that keep files of their own in the same place until they are attached: each tells the names it knows.
KEEPERS: list[Callable[[], Iterable[str]]] = []

LONGEST_NAME = 120
SCAN_SECONDS = 30
# What is taken, the endings such a file may have, and how it begins (Archive Team's and the formats' own documents).
ENDINGS = {
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "image/heic": (".heic", ".heif"),
    "application/pdf": (".pdf",),
    "text/plain": (".txt", ".log", ".csv", ".md"),
}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_JOINER = "\u200d"  # holds the parts of an emoji together


def storage() -> Storage:
    """Where the files are (STORAGES, "attachments")."""
    found: Storage = Attachment._meta.get_field("file").storage
    return found


@dataclass
class Received:
    """An upload that was looked at: `digest` is the SHA-256 of its content, `size` in bytes as counted, not as said."""

    name: str
    content_type: str
    size: int
    digest: str
    source: Any
    stored: list[str] = field(default_factory=list)

    def store(self) -> str:
        """Write the file to where attachments are kept; return its name there."""
        key = uuid.uuid4().hex
        name = storage().save(f"{key[:2]}/{key}", File(self.source))
        self.stored.append(name)
        return name


@contextlib.contextmanager
def received(uploads: Iterable[Any]) -> Iterator[list[Received]]:
    """Look at what was uploaded (Django's uploaded files). What is stored within the block is removed if that raises.

    Raises InvalidInput for `files` when one is too large, of a kind that is not taken, or not clean.
    """
    files = [examine(upload) for upload in uploads]
    with removed_if_it_fails(files):
        yield files


@contextlib.contextmanager
def removed_if_it_fails(files: Iterable[Received]) -> Iterator[None]:
    """What is stored of these files within the block is removed if that raises."""
    try:
        yield
    except BaseException:
        for name in (name for file in files for name in file.stored):
            remove_stray(name)
        raise


def remove_stray(name: str) -> None:
    """Remove a stored file unless a row knows it.

    A row that was committed after all keeps its file; where the question cannot be asked, `attachments` finds it.
    """
    with contextlib.suppress(DatabaseError, OSError):
        if not Attachment.objects.filter(file=name).exists() and all(name not in names() for names in KEEPERS):
            storage().delete(name)


def examine(upload: Any) -> Received:
    """What an upload really is. Raises InvalidInput (field `files`) as `received` does."""
    name = clean_name(upload.name or "")
    digest, size, head = hashlib.sha256(), 0, b""
    upload.seek(0)
    for chunk in upload.chunks():
        digest.update(chunk)
        size += len(chunk)
        head = head or chunk
        if size > settings.ATTACHMENT_MAX_BYTES:
            raise InvalidInput(
                _("“%(name)s” is larger than %(most)s.")
                % {"name": name, "most": filesizeformat(settings.ATTACHMENT_MAX_BYTES)},
                field="files",
            )
    if size == 0:
        raise InvalidInput(_("“%(name)s” is empty.") % {"name": name}, field="files")
    content_type = _image_or_pdf(head) or ("text/plain" if _is_text(upload) else "")
    if not content_type:
        raise InvalidInput(
            _("“%(name)s” is none of what can be attached: JPEG, PNG, WebP, HEIC, PDF or plain text.") % {"name": name},
            field="files",
        )
    _scan(upload, name)
    return Received(_with_ending(name, content_type), content_type, size, digest.hexdigest(), upload)


def clean_name(name: str) -> str:
    """A file's name without folders, control characters and tricks of writing direction; emoji stay."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/")).rpartition("/")[2]
    kept = "".join(
        letter
        for letter in name
        if letter == _JOINER or letter.isspace() or unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    )
    return _shortened(re.sub(r"\s+", " ", re.sub(r'[<>:"|?*]', "_", kept)).strip(" .")) or "file"


def _shortened(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    ending = PurePosixPath(name).suffix
    ending = ending if len(ending) <= 10 else ""
    return name[: LONGEST_NAME - len(ending)].rstrip(" .") + ending


def _with_ending(name: str, content_type: str) -> str:
    """The name with an ending that says what the file is, so that nobody's computer takes it for something else."""
    endings = ENDINGS[content_type]
    if name.lower().endswith(endings):
        return name
    return name[: LONGEST_NAME - len(endings[0])] + endings[0]


def _image_or_pdf(head: bytes) -> str:
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return "image/heic"
    return "application/pdf" if head.startswith(b"%PDF-") else ""


def _is_text(upload: Any) -> bool:
    """Whether all of it reads as text that is no markup: a browser must find nothing to run in it."""
    upload.seek(0)
    content: bytes = upload.read()
    for encoding in ("utf-8-sig", "gb18030"):
        with contextlib.suppress(UnicodeDecodeError):
            text = content.decode(encoding)
            return not _CONTROLS.search(text) and not text.lstrip().startswith("<")
    return False


def _scan(upload: Any, name: str) -> None:
    """Let the house's own scanner look (ATTACHMENT_SCANNER, run with the file's path); 0 means clean."""
    if not settings.ATTACHMENT_SCANNER:
        return
    with tempfile.NamedTemporaryFile() as copy:
        upload.seek(0)
        for chunk in upload.chunks():
            copy.write(chunk)
        copy.flush()
        try:
            ended = subprocess.run(  # nosec B603
                [*settings.ATTACHMENT_SCANNER, copy.name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SCAN_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            raise DomainError(
                _("Files cannot be checked for malware at the moment. Send it without files, or try later."),
                field="files",
            ) from None
    if ended.returncode != 0:
        raise InvalidInput(_("“%(name)s” did not pass the malware check.") % {"name": name}, field="files")


def attach(
    case: Case,
    file: Received,
    *,
    by: Any,
    at: datetime,
    visibility: str,
    kind: str = "",
    note: Note | None = None,
) -> Attachment:
    """Keep a file with a case (and a turn of its conversation) and chain its digest; the caller records the change.

    The caller holds the case's lock. `by` is a member of staff, a Customer or None (the system). Without `kind` a
    picture is a photo, all else a document. The same content in the same place is one attachment, however often it is
    sent. Raises InvalidInput (field `files`) when the case has as many as it may have.
    """
    kind = kind or (Attachment.Kind.PHOTO if file.content_type.startswith("image/") else Attachment.Kind.DOCUMENT)
    kind = choice(kind, Attachment.Kind, "kind")
    visibility = choice(visibility, Note.Visibility, "visibility")
    present = Attachment.objects.filter(case_id=case.pk)
    same = present.filter(note=note, visibility=visibility, digest=file.digest).first()
    if same is not None:
        return same
    if present.count() >= settings.ATTACHMENTS_PER_CASE:
        raise InvalidInput(
            _("There are %(count)s files here already; no more can be added.")
            % {"count": settings.ATTACHMENTS_PER_CASE},
            field="files",
        )
    customer = isinstance(by, Customer)
    attachment = Attachment(
        case_id=case.pk,
        note=note,
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        digest=file.digest,
        at=at,
        by=None if customer else by,
        by_customer=customer,
        visibility=visibility,
        kind=kind,
        file=file.store(),
    )
    insert_rows([attachment])
    add_fact(case, events.attached(attachment), at=at, by=by)
    return attachment


def attach_all(case: Case, files: Iterable[Received], *, note: Note, by: Any, at: datetime) -> list[Attachment]:
    """Attach the files of one turn of the conversation; whoever sees the turn sees them."""
    return [attach(case, file, by=by, at=at, visibility=note.visibility, note=note) for file in files]


def storage_problems() -> tuple[list[str], list[str]]:
    """Plain sentences about attachments whose file is gone or was changed, and the names of files no row knows."""
    store = storage()
    wrong: list[str] = []
    known: set[str | None] = {name for names in KEEPERS for name in names()}
    for attachment in Attachment.objects.order_by("pk").iterator():
        known.add(attachment.file.name)
        try:
            with attachment.file.open("rb") as file:
                digest = hashlib.sha256()
                for chunk in file.chunks():
                    digest.update(chunk)
        except OSError:
            wrong.append(f"attachment {attachment.pk}: its file {attachment.file.name} is gone")
            continue
        if digest.hexdigest() != attachment.digest:
            wrong.append(f"attachment {attachment.pk}: its file {attachment.file.name} was changed")
    with contextlib.suppress(FileNotFoundError):
        folders, _files = store.listdir("")
        strays = [f"{folder}/{name}" for folder in folders for name in store.listdir(folder)[1]]
        return wrong, sorted(set(strays) - known)
    return wrong, []
