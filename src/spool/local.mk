# src/spool
