"""A part of a repository in memory: what is fetched of it, files in its trees, and new commits."""

import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dulwich.errors import GitProtocolError
from dulwich.object_format import SHA1
from dulwich.object_store import MemoryObjectStore, ObjectStoreGraphWalker
from dulwich.objects import Blob, Commit, ObjectID, ShaFile, Tree
from dulwich.pack import PackData, PackInflater, pack_objects_to_data
from dulwich.refs import Ref

from serinus.forge.change import Limits
from serinus.forge.outcome import Away, Refused
from serinus.forge.packs import TooLargeError, measure
from serinus.forge.wire import StopError, Wire

REGULAR: Final = (0o100644, 0o100755)
FOLDER: Final = 0o40000
NOTHING: Final = b"0" * 40

Files = Mapping[str, bytes]


class RaceError(Exception):
    """Somebody else has moved the branch meanwhile."""


@dataclass(frozen=True)
class Tips:
    """`base` is the branch to be changed, `found` all branches asked for with the commits they point to."""

    base: str
    tip: ObjectID
    found: Mapping[str, ObjectID]


class Repository:
    """Objects that were fetched, or made here."""

    def __init__(self, wire: Wire, limits: Limits) -> None:
        self.wire = wire
        self._limits = limits
        self._store = MemoryObjectStore()
        # Contents of files are fetched one by one where the server knows how; else everything comes at once.
        self._sparse = True

    def fetch_tips(self, base: str | None, others: Collection[str], prefix: str | None = None) -> Tips:
        """Fetch the newest commits of `base` and of those of `others` (and with `prefix`) that exist."""
        wanted = {_ref(name): name for name in others}
        first = Ref(b"HEAD") if base is None else _ref(base)

        def choose(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:
            if first not in refs:
                what = "default branch" if base is None else f"branch {base}"
                raise StopError(Refused(f"the repository has no {what}"))
            mine = [ref for ref in refs if ref in wanted or (prefix is not None and ref.startswith(_ref(prefix)))]
            if len(mine) > 100:
                raise StopError(Refused(f"the repository has {len(mine)} branches {prefix}*, more than 100"))
            return sorted({refs[first], *(refs[ref] for ref in mine)})

        names = [first, *wanted, *([_ref(prefix)] if prefix else [])]
        result = self._fetch(choose, depth=2, refs=names)
        found = {ref.removeprefix(b"refs/heads/").decode(): tip for ref, tip in result.refs.items() if tip}
        tip = found.pop("HEAD", None)
        if base is None and first not in result.symrefs:
            raise StopError(Refused("the repository names no default branch: name the one to be changed"))
        named = result.symrefs.get(first, first).removeprefix(b"refs/heads/").decode()
        return Tips(base or named, found.get(named) or tip, found)

    def read_files(self, commit: ObjectID, paths: Collection[str]) -> Files:
        """The contents of files, fetched where need be. StopError for what is no file there."""
        places = {path: self._find(self.commit(commit).tree, path) for path in paths}
        missing = sorted({blob for blob in places.values() if blob not in self._store})
        if missing:
            self._fetch_blobs(commit, missing)
        return {path: self._store[blob].as_raw_string() for path, blob in places.items()}

    def blobs(self, commit: ObjectID, paths: Collection[str]) -> dict[str, ObjectID | None]:
        """What names the contents of files, without fetching them; None for what is not there."""
        found: dict[str, ObjectID | None] = {}
        for path in paths:
            try:
                found[path] = self._find(self.commit(commit).tree, path)
            except StopError:
                found[path] = None
        return found

    def has(self, commit: ObjectID) -> bool:
        return commit in self._store

    def commit(self, name: ObjectID) -> Commit:
        found = self._store[name]
        if not isinstance(found, Commit):
            raise StopError(Refused(f"{name.decode()} is no commit"))
        return found

    def push(self, branch: str, expected: ObjectID | None, commit: Commit | None, new: list[ShaFile]) -> str | None:
        """Let `branch` point to `commit` (None: remove it) if it points to `expected`; the reason where the server
        will not. RaceError where it points elsewhere."""
        ref, said = _ref(branch), bytearray()

        def update(refs: dict[Ref, ObjectID]) -> dict[Ref, ObjectID]:
            if refs.get(ref) != expected:
                raise RaceError
            return {ref: ObjectID(NOTHING) if commit is None else commit.id}

        def pack(*_: Any, **__: Any) -> Any:
            return pack_objects_to_data([(one, None) for one in new], deltify=False)

        result = self.wire.send_pack("", update, pack, progress=lambda text: said.extend(text[:500]))
        reason = (result.ref_status or {}).get(ref)
        return None if reason is None else f"{reason}. {said.decode(errors='replace')}"

    def write(self, parent: ObjectID, files: Files) -> tuple[ObjectID, list[ShaFile]]:
        """The tree of `parent` with other contents of `files`, and the objects that this needs."""
        made: list[ShaFile] = []
        contents: dict[tuple[str, ...], bytes] = {tuple(path.split("/")): body for path, body in files.items()}
        return self._write(self.commit(parent).tree, contents, made), made

    def _write(self, tree: ObjectID, files: Mapping[tuple[str, ...], bytes], made: list[ShaFile]) -> ObjectID:
        found = self._tree(tree)
        for name in {path[0] for path in files}:
            mode, entry = found[name.encode()]
            below = {path[1:]: body for path, body in files.items() if path[0] == name and len(path) > 1}
            if below:
                found[name.encode()] = (mode, self._write(entry, below, made))
            else:
                blob = Blob.from_string(files[name,])
                made.append(blob)
                found[name.encode()] = (mode, blob.id)
        made.append(found)
        return found.id

    def _tree(self, name: ObjectID) -> Tree:
        found = self._store[name]
        if not isinstance(found, Tree):
            raise StopError(Refused(f"{name.decode()} is no folder"))
        return found

    def _find(self, tree: ObjectID, path: str) -> ObjectID:
        *folders, file = path.split("/")
        for name in folders:
            mode, tree = _entry(self._tree(tree), name, path)
            if mode != FOLDER:
                raise StopError(Refused(f"{path}: {name} is no folder"))
        mode, blob = _entry(self._tree(tree), file, path)
        if mode not in REGULAR:
            raise StopError(Refused(f"{path} is no regular file"))
        return blob

    def _fetch_blobs(self, commit: ObjectID, blobs: list[ObjectID]) -> None:
        try:
            self._fetch(lambda *_, **__: blobs)
        except GitProtocolError:
            if not self._sparse:
                raise
        if all(blob in self._store for blob in blobs):
            return
        # It leaves out contents when asked to, and then will not give single ones.
        self._sparse = False
        self._fetch(lambda *_, **__: [commit], depth=1)
        if not all(blob in self._store for blob in blobs):
            raise StopError(Away(f"{self.wire.host} does not send what its branches hold"))

    def _fetch(
        self, choose: Callable[..., list[ObjectID]], depth: int | None = None, refs: list[Ref] | None = None
    ) -> Any:
        pack = io.BytesIO()
        result = self.wire.fetch_pack(
            "",
            choose,
            ObjectStoreGraphWalker([], lambda _: []),
            pack.write,
            depth=depth,
            ref_prefix=refs,
            filter_spec=b"blob:none" if self._sparse and depth is not None else None,
        )
        if result.object_format not in (None, "sha1"):
            raise StopError(Refused(f"repositories of object format {result.object_format} are not supported"))
        if size := pack.tell():
            self._unpack(pack, size)
        return result

    def _unpack(self, pack: io.BytesIO, size: int) -> None:
        try:
            with pack.getbuffer() as view:
                measure(view, self._limits.unpacked)
        except TooLargeError as error:
            raise StopError(Refused(f"what {self.wire.host} sends of the repository: {error}")) from error
        pack.seek(0)
        with PackData.from_file(pack, SHA1, size) as data:
            data.check()
            for one in PackInflater.for_pack_data(data, self._store.get_raw):
                self._store.add_object(one)


def _ref(branch: str) -> Ref:
    return Ref(b"refs/heads/" + branch.encode())


def _entry(tree: Tree, name: str, path: str) -> tuple[int, ObjectID]:
    try:
        return tree[name.encode()]
    except KeyError:
        raise StopError(Refused(f"there is no file {path} in the repository")) from None
