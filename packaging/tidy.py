"""House rules that neither rustfmt nor clippy checks.

Takes the tree; prints one line for each offence and exits 1 when there is any.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

CODE_LINES_MAX = 500
ROOT = pathlib.Path(__file__).resolve().parents[1]
# A test module at a file's end is not counted.
TESTS = re.compile(r"^#\[cfg\(test\)\]\nmod \w+ \{", re.MULTILINE)
# `.unwrap()` is clippy's to find; these it cannot see.
IGNORED = re.compile(r"^\s*#\[(ignore|should_panic)\b", re.MULTILINE)


def tracked(*patterns: str) -> list[pathlib.Path]:
    """Files that are, or are about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    paths = [pathlib.Path(name) for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if (ROOT / path).is_file()]


def code_lines(text: str, comment: str) -> int:
    lines = (line.strip() for line in text.splitlines())
    return sum(1 for line in lines if line and not line.startswith(comment))


def rust(path: pathlib.Path, text: str) -> list[str]:
    said = []
    if not text.startswith("//!"):
        said.append("does not open with `//!`")
    tests = TESTS.search(text)
    count = code_lines(text[: tests.start()] if tests else text, "//")
    if count > CODE_LINES_MAX:
        said.append(f"{count} lines of code, {CODE_LINES_MAX} at most")
    if IGNORED.search(text):
        said.append("a test that is ignored or expected to panic")
    return said


def python(path: pathlib.Path, text: str) -> list[str]:
    said = []
    if not text.startswith('"""'):
        said.append("does not open with a docstring")
    count = code_lines(text, "#")
    if count > CODE_LINES_MAX:
        said.append(f"{count} lines of code, {CODE_LINES_MAX} at most")
    return said


def manifest(path: pathlib.Path, text: str) -> list[str]:
    if (
        "[package]" in text
        and "[workspace]" not in text
        and not re.search(r"^\[lints\]\nworkspace = true$", text, re.M)
    ):
        return ["does not inherit the lints of the workspace"]
    return []


def main() -> int:
    offences = []
    for pattern, rule in (("*.rs", rust), ("*.py", python), ("*Cargo.toml", manifest)):
        for path in tracked(pattern):
            text = (ROOT / path).read_text()
            offences += [f"{path}: {offence}" for offence in rule(path, text)]
    for offence in offences:
        print(offence, file=sys.stderr)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
