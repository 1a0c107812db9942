# tests/vectors
