#!/usr/bin/env python3
"""Links between the documents lead somewhere, to the heading too; the tests that docs/security.md names are there, and so are the
files of packaging/ that the documents name."""
import os
import re
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")


def documents():
    found = [os.path.join(TOP, "README.md")]
    for where in ("docs", "clients"):
        for directory, _, names in os.walk(os.path.join(TOP, where)):
            if "node_modules" not in directory:
                found += [os.path.join(directory, n) for n in names if n.endswith(".md")]
    return found


def text_of(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def anchors(text):
    """As GitHub and GitLab make them of headings: small, without punctuation, blanks as dashes."""
    prose = re.sub(r"(?s)```.*?```", "", text)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in re.findall(r"(?m)^#+ (.*)$", prose)}


def broken_links(path, text):
    for target in LINK.findall(re.sub(r"(?s)```.*?```", "", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        other = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if not os.path.exists(other):
            yield f"{target}: there is no such file"
        elif anchor and anchor not in anchors(text_of(other)):
            yield f"{target}: there is no such heading"


def unknown_tests(text):
    """Tests by directory: "unit/test_rate", and "test_log" behind it in the same cell."""
    for cell in re.findall(r"(?m)\| ([^|]*) \|$", text[text.index("## Threats"):]):
        where = ""
        for name in re.findall(r"(?:(?:unit|integration|fault|fuzz|vectors|lint)/)?\w+(?:\.py|\.sh)|(?:unit|vectors)/\w+|\btest_\w+|tests/\w+", cell):
            where, _, base = name.rpartition("/") if "/" in name else (where, "", name)
            path = os.path.join(TOP, *([] if where == "tests" else ["tests"]), where, base)
            if not any(os.path.exists(path + end) for end in ("", ".c")):
                yield f"there is no test {where}/{base}"


def main():
    paths, wrong = documents(), []
    for path in paths:
        text = text_of(path)
        wrong += [f"{os.path.relpath(path, TOP)}: {w}" for w in broken_links(path, text)]
        wrong += [f"{os.path.relpath(path, TOP)}: there is no {name}" for name in re.findall(r"packaging/[\w.-]+\.\w+", text)
                  if not os.path.exists(os.path.join(TOP, name))]
    wrong += [f"docs/security.md: {w}" for w in unknown_tests(text_of(os.path.join(TOP, "docs", "security.md")))]
    print("\n".join(wrong + [f"{len(paths)} documents, {len(wrong)} faults"]))
    sys.exit(1 if wrong or len(paths) < 10 else 0)


main()
