"""Chooses by flags and settings what is watched: a branch, with a hook that hurries it, or the files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from reconciler.bootstrap import Registry, open_branch, open_signers
from reconciler.daemon.http import Routes, Say
from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.model.units import duration
from reconciler.ports import Feed

_INTERVAL = 30.0


class Asked(NamedTuple):
    """What the flags say; "" and None leave it to the settings. `debounce` and `interval` are in seconds."""

    branch: str = ""
    remote: str = ""
    interval: float | None = None
    debounce: float = 0.1


class Around(NamedTuple):
    """What feeds need beside the registry. `accepted` is the commit that held last, "" for none; `read_secret` gives
    the secret at a place and raises ValueError; `say` takes lines for the log; `looked` is told of each look at a
    branch, how many seconds it took and whether the answer came."""

    environment: Mapping[str, str]
    accepted: str
    read_secret: Callable[[str], str]
    say: Say
    looked: Callable[[float, bool], None]


class Watched(NamedTuple):
    """A feed and what goes with it: what it is called, the folder in whose repository its commits are (None for the
    working tree), the routes that hurry it, and what has it tell again which commit is to hold."""

    feed: Feed
    title: str
    repository: Path | None = None
    routes: Routes = MappingProxyType({})
    again: Callable[[], None] = lambda: None


def choose(registry: Registry, asked: Asked, around: Around) -> Watched:
    """What `registry` is kept true to. Its settings are those of the working tree: a commit has no say in whether it is
    to be trusted. Raises Invalid."""
    watch = registry.settings.watch
    name = asked.branch or watch.get("branch", "")
    if name:
        return _branch(registry, name, asked, around)
    from reconciler.daemon.feeds.files import FilesFeed

    return Watched(FilesFeed(registry.root, asked.debounce, _ours(registry)), "the working tree")


def _branch(registry: Registry, name: str, asked: Asked, around: Around) -> Watched:
    from reconciler.daemon.feeds.branch import BranchFeed, Rules

    watch = registry.settings.watch
    branch = open_branch(registry, name, asked.remote or watch.get("remote", ""), around.environment)
    follow = watch.get("onForcePush", "follow") == "follow"
    rules = Rules(_interval(registry, asked), follow, open_signers(registry), around.looked)
    feed = BranchFeed(branch, rules, around.accepted)
    return Watched(feed, branch.title, branch.root, _routes(registry, name, feed.look, around), feed.again)


def _interval(registry: Registry, asked: Asked) -> float:
    given = registry.settings.watch.get("fetch", {}).get("interval")
    return asked.interval or (duration(given) if given else _INTERVAL)


def _routes(registry: Registry, name: str, look: Callable[[], None], around: Around) -> Routes:
    hook = registry.settings.watch.get("hook")
    if not hook:
        return {}
    from reconciler.daemon.feeds.hook import GitHook

    try:
        secret = around.read_secret(hook["secret"]["secretRef"])
        return GitHook(secret, name, look, around.say, registry.clock.monotonic).routes()
    except ValueError as error:
        raise Invalid(Diagnostic("hook-secret", "The hook cannot be opened", str(error))) from None


def _ours(registry: Registry) -> tuple[str, ...]:
    """Where the program itself writes below the root."""
    settings = registry.settings
    beside = (f"{settings.state}-{part}" for part in ("journal", "wal", "shm"))
    return (settings.output, settings.runtime, settings.state, *beside, *_logs(registry.root))


def _logs(root: Path) -> list[str]:
    """The files below `root` that standard output and standard error go to."""
    places = [Path(f"/proc/self/fd/{number}") for number in (1, 2)]
    targets = [place.readlink() for place in places if place.is_symlink()]
    return [str(target.relative_to(root)) for target in targets if target.is_relative_to(root)]
