"""Contacts and promoter fragments as the authors of the paper compiled them: pickles of dictionaries.

In: pickles. Out: the tables that the public files give. A pickle can run anything, so here it is taken apart by an
unpickler that knows plain containers, text and numbers alone, imports nothing and calls nothing of what a file names.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..config import InputError
from ..genome import Genome
from ..integrity import one_line
from .fragments import contact_table, pair_up, parse_fragments
from .table import checked, reading, unpacked

_MAX_BYTES = 4 << 30  # unpacked: more than any of the authors' files by far, and what memory may still hold
_SCALAR_BYTES = 16


def read_release_contacts(neighbours: Path, scores: Path, genome: Genome) -> pd.DataFrame:
    """Read {tissue}_frag2neighbors.pickle and {tissue}_pair2score.pickle: the one exact source of the paper's pairs.

    Returns
    -------
    DataFrame
        As `read_contacts`, sorted by the text of frag1 and frag2. All are of kind "po": the dictionaries hold every
        direction in which a contact counts.

    Raises
    ------
    InputError
        A file is damaged or names anything beyond defaultdict, dict, list, set, text and NumPy's floats; a neighbour has
        no score; or no contact lies on `genome`.
    """
    near, score = _load(neighbours), _load(scores)
    with reading(neighbours, "frag2neighbors: a dictionary from fragments to sets or lists of fragments"):
        pairs = sorted({pair for fragment, regions in near.items() for pair in _pairs(fragment, regions)})
        pair = pd.DataFrame(pairs, columns=["frag1", "frag2"], dtype="str").astype("category")
        table, spans = pair_up(pair, numbered=False)
    with reading(scores, "pair2score: a dictionary from (fragment, fragment) to a number"):
        if (missing := next((pair for pair in pairs if pair not in score), None)) is not None:
            raise ValueError(f"has no score of {' and '.join(missing)}, neighbours in {neighbours.name}")
        found = [score[pair] for pair in pairs]
        if (wrong := next((value for value in found if type(value) not in (int, float)), None)) is not None:
            raise ValueError(f"has the score {str(wrong)[:40]!r}")
        frequency = np.array(found, dtype=np.float64)
    table = table.assign(kind="po", frequency=frequency)[["kind", "frag1", "frag2", "frequency"]]
    counts = {"scored but no neighbours": len(score) - len(pairs)}
    return contact_table(neighbours, table, spans, genome, frequency="score of pair2score", dropped=counts)


def read_release_fragments(path: Path, genome: Genome) -> pd.DataFrame:
    """Read tss2fragment.pickle: the promoter fragment that holds each TSS.

    Returns
    -------
    DataFrame
        chrom, tss (start of the key, which is one base wide) and fragment ("chrom:start-end", ends included; missing
        where the file says None), in the order of the file.

    Raises
    ------
    InputError
        As `read_release_contacts`; a key is no region of one base; or a fragment does not hold its TSS.
    """
    fragment_of = _load(path)
    with reading(path, "tss2fragment: a dictionary from chrom:start-end, one base, to a fragment or None"):
        for key, value in fragment_of.items():
            if type(key) is not str or type(value) not in (str, type(None)):
                raise ValueError(f"{str(key)[:60]!r} -> {str(value)[:60]!r}")
        table = pd.DataFrame({"key": list(fragment_of), "fragment": list(fragment_of.values())}, dtype="str")
        tss = parse_fragments(pd.Index(table["key"], dtype="str"))
        held = parse_fragments(pd.Index(table["fragment"].fillna(table["key"]), dtype="str"))
        is_one_base = tss["chrom"].notna() & (tss["end"] - tss["start"] == 1)
        holds = (held["chrom"] == tss["chrom"]) & (held["start"] <= tss["start"]) & (tss["start"] <= held["end"])
        if (wrong := ~(is_one_base & holds)).any():
            key = table["key"].iloc[int(wrong.argmax())]
            raise ValueError(f"{key[:60]!r} -> {str(fragment_of[key])[:60]!r}")
    table = pd.DataFrame({"chrom": tss["chrom"], "tss": tss["start"], "fragment": table["fragment"]})
    size = table["chrom"].map(genome.sizes).astype(float).fillna(0)
    on_genome = (held["end"] <= size) & (table["tss"] < size)
    return checked(table[on_genome], {f"not within {genome.name}": (~on_genome).sum()})


def _pairs(fragment: Any, regions: Any) -> list[tuple[str, str]]:
    if type(regions) not in (set, frozenset, list, tuple):
        raise ValueError(f"{str(fragment)[:60]!r} has {type(regions).__name__} for neighbours")
    for text in (fragment, *regions) if regions else ():  # of None, the authors' code asks for the neighbours too
        if type(text) is not str:
            raise ValueError(f"{str(text)[:60]!r} is no fragment")
    return [(fragment, region) for region in regions]


def _load(path: Path) -> dict:
    with reading(path, "a pickle of a dictionary"):
        with unpacked(path) as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError(f"holds more than {_MAX_BYTES >> 30} GB")
        try:
            found = _Unpickler(path, data).load()
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001 - damage shows as whatever the unpickler hits first
            raise ValueError(f"not readable as a pickle ({one_line(error)})") from None
        if type(found) is not dict:
            raise ValueError(f"holds a {type(found).__name__}")
    return found


# What the names in a file stand for. None of them is imported, and what these make is never larger than what they read.


def _default_dict(*factory: Any) -> dict:
    if len(factory) > 1:
        raise ValueError("a defaultdict with contents of its own")
    return {}


def _set(*items: Any) -> set:
    found = set(*items)
    if items:
        items[0].clear()  # a list that is made into sets again and again would fill memory
    return found


def _container(*items: Any) -> None:
    raise ValueError("a call of list or dict")  # as a factory of defaultdict, both are only named


def _dtype(code: Any, *_: Any) -> np.dtype:
    if code not in ("f8", "f4"):
        raise ValueError(f"NumPy's type {str(code)[:20]!r}")
    return np.dtype(code)


def _scalar(dtype: Any, data: Any) -> float:
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise ValueError("a NumPy scalar of another form")
    return float(np.frombuffer(data, dtype.newbyteorder("<"))[0])


def _encode(text: Any, codec: Any = None) -> bytes:
    if codec not in ("latin1", "latin-1") or not isinstance(text, str) or len(text) > _SCALAR_BYTES:
        raise ValueError(f"an encoding as {str(codec)[:20]!r}")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Callable] = {
    ("collections", "defaultdict"): _default_dict,
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "scalar"): _scalar,   # before NumPy 2
    ("numpy._core.multiarray", "scalar"): _scalar,
    **{(module, "set"): _set for module in ("builtins", "__builtin__")},
    **{(module, name): _container for module in ("builtins", "__builtin__") for name in ("list", "dict")},
}  # fmt: skip


def _reduce(unpickler: pickle._Unpickler) -> None:
    if unpickler.stack[-2] not in _KNOWN.values():
        raise ValueError("a call of something that is no function")
    pickle._Unpickler.load_reduce(unpickler)


def _build(unpickler: pickle._Unpickler) -> None:
    """Give an object its state: NumPy's type alone has one, (version, byte order, ...), and "<" is the order of all."""
    state = unpickler.stack.pop()
    if not isinstance(unpickler.stack[-1], np.dtype) or not isinstance(state, tuple) or state[1:2] != ("<",):
        raise ValueError("an object with a state")


def _flat(load: Callable) -> Callable:
    def load_tuple(unpickler: pickle._Unpickler) -> None:
        load(unpickler)
        if any(isinstance(item, tuple) for item in unpickler.stack[-1]):
            raise ValueError("a tuple within a tuple")  # nested forty times over, its hash would take a day

    return load_tuple


_TUPLES = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")
_PLAIN = (
    "PROTO", "FRAME", "STOP", "MARK", "MEMOIZE", "GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT",
    "GLOBAL", "STACK_GLOBAL", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "LIST", "APPEND", "APPENDS",
    "EMPTY_SET", "ADDITEMS", "EMPTY_TUPLE", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2",
    "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES",
)  # fmt: skip
_CODES = {name: getattr(pickle, name)[0] for name in (*_PLAIN, *_TUPLES)}
_STEPS = {code: pickle._Unpickler.dispatch[code] for code in _CODES.values()}
_STEPS |= {_CODES[name]: _flat(_STEPS[_CODES[name]]) for name in _TUPLES}
_STEPS |= {pickle.REDUCE[0]: _reduce, pickle.BUILD[0]: _build}


class _Unpickler(pickle._Unpickler):
    """The standard library's unpickler in Python, with those steps alone that the authors' files need.

    The one in C, pickle.Unpickler, lets a file of ten bytes ask for 64 GB of memory (a large LONG_BINPUT); this one has a
    dictionary there. It reads from memory, so that no step gets more bytes than there are.
    """

    dispatch = _STEPS

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.path = path

    def find_class(self, module: str, name: str) -> Callable:
        if (module, name) not in _KNOWN:
            raise InputError(
                f"{self.path}: refers to {f'{module}.{name}'[:80]!r}, expected dictionaries of text and numbers; nothing of "
                "it was run: do not open it elsewhere, fetch it from its authors"
            )
        return _KNOWN[module, name]
