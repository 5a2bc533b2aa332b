"""The other end of a sub-registry: a git repository of strangers, which is asked for one commit and nothing else.

What a manifest says is checked here again, whatever its schema let pass: kinds are data, and a registry may bring its
own. A url and a ref reach git only in places where nothing can be taken for an option, git speaks the one protocol of
the url, and no configuration, hook or helper program of either side has a say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from reconciler.model.diagnostics import Diagnostic, Invalid
from reconciler.sources import git

_URL = re.compile(
    r"(?:https://|ssh://(?:[a-z_][a-z0-9_-]*@)?)"
    r"[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]{1,5})?/[A-Za-z0-9_~][A-Za-z0-9._~/-]*"
)
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SETTINGS = {"fetch.unpackLimit": "1", "credential.helper": ""}
_FETCH = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
_ANSWERS = 1 << 20
"""The most bytes of an answer about refs."""

_HELPER = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$UREG_USERNAME" "$UREG_PASSWORD"; }; f'
_CONCEALED = "(sensitive)"

ReadSecret = Callable[[str], str]
"""The secret at a place such as `env:TOKEN`. Raises ValueError, which says why it cannot be had."""


class Policy(NamedTuple):
    """What the registry's settings allow sub-registries: `folders` hold those that are named by a path; `max_depth`
    is how many may stand inside each other, `most_bytes` the size of a commit, `timeout` the seconds of one exchange
    with another repository."""

    protocols: tuple[str, ...] = ("https", "ssh", "file")
    folders: tuple[str, ...] = ("/srv/git",)
    max_depth: int = 3
    most_bytes: int = 256 << 20
    timeout: float = 60.0


def read_policy(options: Mapping[str, Any]) -> Policy:
    """The settings of the `git` driver as the settings' schema describes them."""
    given = {
        "protocols": tuple(options.get("protocols", Policy().protocols)),
        "folders": tuple(options.get("folders", Policy().folders)),
        "max_depth": options.get("maxDepth", Policy().max_depth),
    }
    most, timeout = options.get("maxMebibytes"), options.get("timeoutSeconds")
    given |= {"most_bytes": most << 20} if most else {}
    return Policy(**given | ({"timeout": float(timeout)} if timeout else {}))


class Remote(NamedTuple):
    """A repository that may be asked: what it is called in messages, and what git is told."""

    name: str
    url: str
    secret: str
    policy: Policy

    def resolve(self, ref: object, folder: Path) -> str:
        """The id of the commit that `ref` names there now: of the tag, else of the branch. Raises GitError."""
        if not isinstance(ref, str) or not _REF.fullmatch(ref):
            raise refused(f"{ref!r} is no branch or tag")
        names = (f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}")
        answer = self._ask(folder, _ANSWERS, "ls-remote", "--quiet", "--", self.url, *names)
        lines = (line.partition("\t") for line in answer.decode("utf-8", "replace").splitlines())
        found = {name: commit for commit, _, name in lines if _COMMIT.fullmatch(commit)}
        commit = next((found[name] for name in names if name in found), None)
        if commit is None:
            raise git.GitError(f"{self.name} has no branch or tag {ref}")
        return commit

    def fetch(self, commit: str, folder: Path) -> None:
        """Brings `commit` (a full id), without its history, into the repository in `folder`. Raises GitError."""
        most = self.policy.most_bytes
        try:
            self._ask(folder, most, *_FETCH, "--", self.url, f"{commit}:refs/ureg/{commit}")
        except git.GitError as error:
            if _largest(folder) >= most >> 9 << 9:
                raise git.GitError(f"{self.name} holds more than {most >> 20} MiB in one commit") from None
            if "not our ref" in error.words or "unadvertised" in error.words:
                raise git.GitError(f"{self.name} no longer has the commit {commit[:12]}", error.words) from None
            raise
        git.run_git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")

    def _ask(self, folder: Path, most: int, *args: str) -> bytes:
        protocol = urlsplit(self.url).scheme
        with _access(protocol, self.url, self.secret) as (environment, settings):
            reach = git.Reach(protocol, self.policy.timeout, most, environment, {**_SETTINGS, **settings})
            try:
                return git.reach_out(folder, *args, reach=reach)
            except git.GitError as error:
                raise self._told(error) from None

    def _told(self, error: git.GitError) -> git.GitError:
        words = error.words.replace(self.secret, _CONCEALED) if self.secret else error.words
        summary = f"{self.name} cannot be read"
        return git.GitError(summary, words or f"{error.diagnostics[0].summary}.")


def open_remote(spec: Mapping[str, Any], root: Path, nested: bool, policy: Policy, read_secret: ReadSecret) -> Remote:
    """The repository that `spec` names. A `nested` one is named by a sub-registry: it gets no secret of ours and no
    folder of our registry. Raises Invalid for what is not allowed, and where its secret cannot be had."""
    source = spec.get("source")
    if not isinstance(source, dict) or not any(isinstance(source.get(key), str) for key in ("url", "path")):
        raise refused("A sub-registry names the url or the path of its repository under spec.source")
    url = source["url"] if "url" in source else _file_url(source["path"], root, nested, policy)
    if "url" in source and not _URL.fullmatch(url):
        raise refused(
            "The url of a sub-registry must be a plain one of https or ssh, without a password",
            "Others can make git run programs, or carry secrets to where they are seen.",
        )
    protocol = urlsplit(url).scheme
    if protocol not in policy.protocols:
        allowed = ", ".join(policy.protocols) or "none"
        raise refused(
            f"Sub-registries may not be reached by the protocol {protocol}",
            f"The setting drivers.git.protocols allows: {allowed}.",
        )
    return Remote(source.get("url") or source["path"], url, _secret(spec, nested, read_secret), policy)


def check_commit(commit: object) -> str:
    """`commit`, if that is a full id and so may be a part of a path. Raises Invalid."""
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise refused(f"{commit!r} is no full SHA-1 commit id")
    return commit


def refused(summary: str, detail: str = "", hint: str = "") -> Invalid:
    return Invalid(Diagnostic("registry-refused", summary, detail, hint))


def _file_url(path: str, root: Path, nested: bool, policy: Policy) -> str:
    if nested and not path.startswith("/"):
        raise refused("A sub-registry has no folder here, so that its own ones are named by a url or an absolute path")
    real = os.path.realpath(root / path)
    folders = [os.path.realpath(root / folder) for folder in policy.folders]
    if not nested:
        folders.append(str(root))
    if not any(Path(real).is_relative_to(folder) for folder in folders):
        raise refused(
            f"{path} lies outside of the folders for sub-registries",
            f"The setting drivers.git.folders allows: {', '.join(policy.folders) or 'none'}.",
            "Add its folder there, or name the repository by its url.",
        )
    return f"file://{quote(real)}"


def _secret(spec: Mapping[str, Any], nested: bool, read_secret: ReadSecret) -> str:
    credentials = spec.get("credentials")
    if not isinstance(credentials, dict):
        return ""
    if nested:
        raise refused(
            "A sub-registry may not name credentials for its own sub-registries",
            "It could have our secrets sent to wherever it likes.",
            "Make that one a registry of ours, next to this one.",
        )
    try:
        return read_secret(str(credentials.get("secretRef")))
    except ValueError as error:
        raise refused("The credentials of a sub-registry cannot be had", f"{error}.") from None


@contextmanager
def _access(protocol: str, url: str, secret: str) -> Iterator[tuple[Mapping[str, str], Mapping[str, str]]]:
    """The environment and the settings by which git gets at `url`. The secret is in the environment alone, or for ssh
    in memory that only this user can read."""
    if protocol == "ssh":
        with _key(secret) as options:
            yield {"GIT_SSH_COMMAND": f"ssh -oBatchMode=yes{options}", "GIT_SSH_VARIANT": "ssh"}, {}
    elif protocol == "https" and secret:
        user, colon, password = secret.partition(":")
        words = (user, password) if colon else ("git", secret)
        host = f"https://{urlsplit(url).netloc}"
        environment = dict(zip(("UREG_USERNAME", "UREG_PASSWORD"), words, strict=True))
        yield environment, {f"credential.{host}.helper": _HELPER}
    else:
        yield {}, {}


@contextmanager
def _key(secret: str) -> Iterator[str]:
    """The options of ssh that make it use the private key `secret`, which is never on a disk; none for ""."""
    if not secret:
        yield ""
        return
    with os.fdopen(os.memfd_create("key"), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"{secret}\n".encode())
        file.flush()
        yield f" -oIdentitiesOnly=yes -i /proc/{os.getpid()}/fd/{file.fileno()}"


def _largest(folder: Path) -> int:
    sizes = (path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return max(sizes, default=0)
