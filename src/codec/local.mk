# src/codec
