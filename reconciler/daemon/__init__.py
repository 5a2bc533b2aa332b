"""The loop that keeps a registry true while its files change."""
