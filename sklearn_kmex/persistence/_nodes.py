"""What a file of skops says, checked before anything of it is built.

skops writes a model as JSON: each object is a node with its type, the name of the
loader that builds it, and an identity, by which it is recognized where it occurs again.
Arrays are members of the archive, named by the identity of their node.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from math import prod
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from sklearn_kmex.persistence._allowed import is_allowed
from sklearn_kmex.persistence._refusal import Refusal
from sklearn_kmex.persistence._tree import check_tree

SCHEMA = "schema.json"
TREE = "sklearn.tree._tree.Tree"
MAGIC = b"\x93NUMPY"
PROTOCOL = 2  # of skops; loaders of earlier ones are not checked here
DEEPEST = 128  # levels of the JSON
EMPTY = 2**20  # largest product of the other axes of an array without values
VERSION = re.compile(r'"[\w.+-]{1,64}"')
WIDEST = 1024  # bytes of a value of such an array
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_members(archive: ZipFile, size: int) -> None:
    """Refuse an archive that is compressed, or contains more than JSON and arrays.

    Uncompressed members that do not overlap take no more memory than the archive, and
    arrays as much as their members. Pickles and archives are no arrays.
    """
    members = archive.infolist()
    if sum(member.file_size for member in members) > size:
        raise Refusal("its members are larger than the file")
    if len({member.filename for member in members}) < len(members):
        raise Refusal("it has two members with the same name")
    for member in members:
        if member.compress_type != ZIP_STORED:
            raise Refusal(f"its member {member.filename!r} is compressed")
        if member.filename != SCHEMA:
            with archive.open(member) as file:
                _check_array(member, file)


def _check_array(member: ZipInfo, file: IO[bytes]) -> None:
    """Compare the header of an array with the bytes that follow it."""
    if file.read(len(MAGIC)) != MAGIC:
        raise Refusal(f"its member {member.filename!r} is not an array")
    file.seek(0)
    shape, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
    n_bytes = member.file_size - file.tell()
    is_whole = prod(shape) * dtype.itemsize == n_bytes and min(shape, default=0) >= 0
    is_small = prod(axis or 1 for axis in shape) <= EMPTY and dtype.itemsize <= WIDEST
    if dtype.itemsize == 0 or not is_whole or not (n_bytes or is_small):
        raise Refusal(
            f"its member {member.filename!r} claims the shape {shape} of dtype "
            f"{dtype.str}, and has {n_bytes} bytes"
        )


def _check_version(state: Any) -> None:
    """Check the version of scikit-learn, which a warning of it shows."""
    node = state.get("_sklearn_version") if isinstance(state, dict) else None
    if node is not None and not VERSION.fullmatch(node["content"]):
        raise Refusal(f"its version of scikit-learn is {node['content']}")


class Nodes:
    """The nodes of an archive: their types, and those of trees.

    Parameters
    ----------
    archive : ZipFile
        The archive, whose members were checked.

    trusted : sequence of str
        Types that are not checked.

    Attributes
    ----------
    types : set of tuple
        Loader and name of the type of each node.
    """

    def __init__(self, archive: ZipFile, trusted: Sequence[str]) -> None:
        self.types: set[tuple[str, str]] = set()
        self._archive, self._trusted = archive, trusted
        self._numbers: dict[Any, int] = {}  # of what is equal
        self._known: dict[int, int] = {}  # numbers by identity
        schema = json.loads(archive.read(SCHEMA))
        if type(schema["protocol"]) is not int or schema["protocol"] < PROTOCOL:
            raise Refusal(f"the protocol of its estimator is {schema['protocol']!r}")
        self._number(schema, 0)

    def unknown(self) -> set[str]:
        """Return the types that are neither allowed nor trusted."""
        pairs = {pair for pair in self.types if not is_allowed(*pair)}
        return {name for _, name in pairs}.difference(self._trusted)

    def _number(self, value: Any, depth: int) -> int:
        """Return a number for a value, the same for all values of equal content."""
        if depth > DEEPEST:
            raise Refusal(f"its estimator is nested deeper than {DEEPEST} levels")
        if isinstance(value, dict):
            is_node = "__loader__" in value or "__id__" in value
            parts = [
                (key, self._number(one, depth + 1))
                for key, one in value.items()
                if not (is_node and key in ("__id__", "file"))
            ]
            if is_node:
                return self._number_node(value, tuple(parts))
            return self._numbers.setdefault(tuple(parts), len(self._numbers))
        if isinstance(value, list):
            inner = tuple([self._number(one, depth + 1) for one in value])
            return self._numbers.setdefault(inner, len(self._numbers))
        return self._numbers.setdefault(repr(value), len(self._numbers))

    def _number_node(self, node: dict[str, Any], content: tuple) -> int:
        """Check a node, and that its identity always means the same content."""
        content = (*content, self._check(node))
        number = self._numbers.setdefault(content, len(self._numbers))
        if self._known.setdefault(node["__id__"], number) != number:
            raise Refusal("two different objects in it have the same identity")
        return number

    def _check(self, node: dict[str, Any]) -> bytes:
        """Check the type and the array of a node, and return the hash of the array."""
        loader, identity = node["__loader__"], node["__id__"]
        self.types.add((loader, f"{node['__module__']}.{node['__class__']}"))
        if type(identity) is not int or identity <= 0:
            raise Refusal(f"an object in it has the identity {identity!r}")
        if loader == "ObjectNode" and node.get("content"):
            _check_version(node["content"].get("content"))
        if loader == "TreeNode" and TREE not in self._trusted:
            check_tree(node, self._archive)
        if "file" not in node:
            return b""
        if node["file"] != f"{identity}.npy":
            raise Refusal("its arrays are not named as skops names them")
        return hashlib.sha256(self._archive.read(node["file"])).digest()
