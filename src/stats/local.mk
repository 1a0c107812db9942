# src/stats
