# src/web
