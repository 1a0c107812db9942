#!/bin/sh
# The saved corpora of the fuzzers, and what they once found, as an ordinary test.
set -u
top=${srcdir:-$(dirname "$0")/../..}
exec ./tests/fuzz/replay "$top"/tests/fuzz/corpus/*
