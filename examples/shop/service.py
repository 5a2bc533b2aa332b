"""A service that says what it is and what it was told: its version, its configuration and its flags."""

from __future__ import annotations

from shop import NAME, VERSION, Request, flags, serve, settings


def answer(request: Request) -> object:
    about = {"service": NAME, "version": VERSION, "path": request.path}
    return {**about, "config": settings(), "flags": flags()}


if __name__ == "__main__":
    serve(answer)
