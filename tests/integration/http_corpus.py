"""The corpus of HTTP requests in tests/vectors/http_corpus.txt, whose head explains it."""
import os
import re

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "http_corpus.txt")
PART = re.compile(r"\{(\w+)(?:\*(\d+))?\}|\\([rnt\\{])|\\x([0-9A-Fa-f]{2})|([^\\{])")
NAMED = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\", "{": b"{"}


class Row:
    def __init__(self, line, cls, keep, statuses, data):
        self.line, self.cls, self.keep, self.statuses, self.data = line, cls, keep, statuses, data

    def __repr__(self):
        return f"http_corpus.txt:{self.line} ({self.cls})"


def expand(text, defines, line):
    out, at = b"", 0
    while at < len(text):
        m = PART.match(text, at)
        assert m and (not m[1] or m[1] in defines), f"http_corpus.txt:{line}: {text[at:at + 20]!r}"
        out += (defines[m[1]] * int(m[2] or 1) if m[1] else NAMED[m[3]] if m[3] else bytes([int(m[4], 16)]) if m[4]
                else m[5].encode())
        at = m.end()
    return out


def rows():
    """Every row, in the file's order."""
    found, defines = [], {}
    with open(PATH, newline="\n") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            if line.startswith("define "):
                _, name, text = line.split(" ", 2)
                defines[name] = expand(text, defines, number)
                continue
            head, text = line.split(" | ", 1)
            cls, end, statuses = head.split()
            assert end in ("keep", "shut"), f"http_corpus.txt:{number}"
            found.append(Row(number, cls, end == "keep", statuses.split(","), expand(text, defines, number)))
    return found
