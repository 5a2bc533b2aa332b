"""Sends notices: to webhooks, to chats, and to commands."""
