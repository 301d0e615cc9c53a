"""Training in a container: the Docker command line of this machine, by argv. Values travel by its environment, never on its command line."""

from __future__ import annotations

import os

from ..context import SetupError
from ..deps import installer
from .device import gpu_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Set, Tuple

    from ..context import Context
    from ..deps.installer import Finished

DOCKERFILES = (
    "Dockerfile",
    "Dockerfile.train",
    "docker/Dockerfile",
    "deployment/Dockerfile",
    "training/Dockerfile",
    "scripts/Dockerfile",
    "src/Dockerfile",
)
"""Where a Dockerfile is looked for, in this order."""
_PASSED = ("PYTHONUNBUFFERED", "TRACEPARENT", "TORCHELASTIC_SIGNALS_TO_HANDLE")
_CLIENT = ("HOME", "PATH", "LD_LIBRARY_PATH", "LD_PRELOAD")
_ENGINE_FIX = ["install Docker and start it", "let this user talk to it (group docker)", 'set container: "none"']


def container_name(ctx: "Context") -> str:
    """The name of this attempt's container."""
    return name_of(ctx.attempt)


def name_of(attempt: "Dict[str, Any]") -> str:
    """container_name for who has only attempt.json."""
    return "runctl-%s-%d" % (attempt["runId"], attempt["attempt"])


def _docker() -> str:
    import shutil

    program = shutil.which("docker", path=os.environ.get("PATH"))
    if program is None:
        raise SetupError(
            "a container was asked for, and Docker is not installed", "there is no docker on the PATH", _ENGINE_FIX
        )
    return program


def _quiet(argv: "List[str]", timeout: float = 60.0) -> "Tuple[int, str]":
    """(exit code, output) of a short Docker command; code 124 when the engine does not answer."""
    import subprocess

    try:
        result = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return 124, "no answer after %d s" % timeout
    except OSError as error:
        return 127, error.strerror or str(error)
    return result.returncode, result.stdout.decode("utf-8", "replace").strip()


def signal_container(ctx: "Context", number: int) -> bool:
    """Sends a signal to the container's main process. False when there is no such container (any more) or no engine."""
    try:
        return _quiet([_docker(), "kill", "--signal", str(int(number)), container_name(ctx)])[0] == 0
    except SetupError:
        return False


def kill_container(ctx: "Context") -> bool:
    """Ends the container at once and takes it away. True when there is none left. Gone is success."""
    return kill_named(container_name(ctx))


def kill_named(name: str) -> bool:
    """kill_container by name_of."""
    try:
        docker = _docker()
    except SetupError:
        return False
    _quiet([docker, "rm", "--force", name])
    code, text = _quiet([docker, "ps", "--all", "--quiet", "--filter", "name=^/%s$" % name])
    return code == 0 and not text


def find_dockerfile(ctx: "Context") -> str:
    """The Dockerfile to build with, relative to the working folder. SetupError when there is none or it is outside."""
    wanted = ctx.attempt["container"].get("dockerfile")
    root = os.path.realpath(ctx.work)
    for name in (wanted,) if wanted else DOCKERFILES:
        path = os.path.join(ctx.work, name)
        if os.path.isfile(path):
            if not os.path.realpath(path).startswith(root + "/"):
                raise SetupError(
                    "the Dockerfile %s is outside the code" % name,
                    "it must be part of the project",
                    ["move it into the project"],
                )
            return str(name)
    raise SetupError(
        "there is no %s" % (wanted or "Dockerfile"),
        "looked for %s" % ", ".join((wanted,) if wanted else DOCKERFILES),
        [
            "add a Dockerfile at one of these places",
            "name it: container: { dockerfile }",
            "name an image: container: { image }",
        ],
    )


def prepare_image(ctx: "Context") -> str:
    """The image to run: pulled when it is named and not there yet, else built from the project's Dockerfile. Output goes to setup.log."""
    docker = _docker()
    code, text = _quiet([docker, "version", "--format", "{{.Server.Version}}"])
    if code != 0:
        raise SetupError("a container was asked for, and Docker does not answer", text, _ENGINE_FIX)
    image = ctx.attempt["container"].get("image")
    if not image:
        return _build(ctx, docker)
    if image.startswith("-"):
        raise SetupError(
            "%r is no image name" % image, "it begins with a dash", ["give a name such as python:3.12-slim"]
        )
    if _quiet([docker, "image", "inspect", "--format", "{{.Id}}", image])[0] != 0:
        finished = _run(ctx, [docker, "pull", image], installer.installer_env(ctx))
        if finished.code != 0:
            raise SetupError(
                "the image %s could not be pulled" % image,
                finished.why,
                [
                    "check the name and tag",
                    "log in to the registry on the machine (docker login)",
                    "check the machine's network",
                ],
            )
    return str(image)


def _run(ctx: "Context", argv: "List[str]", env: "Dict[str, str]") -> "Finished":
    try:
        return installer.run(ctx, argv, "image", env, ctx.dir)
    except OSError as error:
        raise SetupError("Docker cannot be started", error.strerror or str(error), _ENGINE_FIX) from error


def _build(ctx: "Context", docker: str) -> str:
    from hashlib import sha256

    from . import build_context

    settings = ctx.attempt["container"]
    name = find_dockerfile(ctx)
    arguments: "Dict[str, str]" = settings.get("buildArgs") or {}
    code = ctx.attempt.get("code") or {}
    key = "\0".join([str(code.get("sha256")), name] + ["%s=%s" % item for item in sorted(arguments.items())])
    tag = "runctl-build:%s" % sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    # Run by its id: another run may give the tag, which only keeps the image from being pruned, to an image of its own.
    id_file = os.path.join(ctx.dir, "image.id")
    argv = [
        docker,
        "build",
        "--file",
        name,
        "--tag",
        tag,
        "--iidfile",
        id_file,
        "--label",
        "runctl.state=%s" % ctx.attempt["stateId"],
    ]
    for argument in sorted(arguments):
        argv += ["--build-arg", argument]
    env = {**installer.installer_env(ctx), **arguments}
    try:
        folder = build_context.prepare(ctx)
        argv[3] = os.path.join(folder, name)
        finished = _run(ctx, [*argv, folder], env)
    except OSError as error:
        raise SetupError(
            "the image's build context cannot be made", str(error), ["free some space on the machine"]
        ) from error
    finally:
        build_context.remove(ctx)
    if finished.code != 0:
        raise SetupError(
            "building the image from %s failed" % name, finished.why, ["correct the Dockerfile and start the run again"]
        )
    with open(id_file, encoding="ascii") as file:
        return file.read().strip()


def _csv(*fields: str) -> str:
    """Docker reads a --mount as one CSV record: commas and quotes in a path are quoted, not refused."""
    return ",".join('"%s"' % field.replace('"', '""') if set(field) & set(',"\n\r') else field for field in fields)


def _mounts(ctx: "Context", env: "Dict[str, str]") -> "List[str]":
    """--mount options: the working folder at its own path, so that every path in the environment means the same inside, then the run's."""
    places: "Dict[str, Tuple[str, bool]]" = {ctx.work: (ctx.work, False)}
    for name, value in env.items():
        # The notice and the done file lie beside the working folder and may not exist yet: their folder is what can be mounted.
        if name.startswith("RUNCTL_") and name.endswith(("_FILE", "_DIR")) and os.path.isabs(value):
            folder = value if name.endswith("_DIR") else os.path.dirname(value)
            if folder != ctx.work and not folder.startswith(ctx.work + "/"):
                places.setdefault(folder, (folder, False))
    for mount in ctx.attempt["container"].get("mounts") or []:
        host, inside = os.path.normpath(mount["host"]), os.path.normpath(mount["container"])
        wanted = (host, bool(mount.get("readOnly")))
        if not os.path.isabs(host) or not os.path.isabs(inside):
            raise SetupError(
                "the mount %s to %s is not absolute" % (mount["host"], mount["container"]), "", ["give absolute paths"]
            )
        if not os.path.exists(host):
            raise SetupError(
                "the folder %s to be mounted does not exist" % host,
                "it is not on this machine",
                ["create or attach it first"],
            )
        if places.setdefault(inside, wanted)[0] != host:
            raise SetupError(
                "two folders are mounted at %s" % inside,
                "%s and %s" % (places[inside][0], host),
                ["give each its own place in the container"],
            )
    options: "List[str]" = []
    for inside, (host, read_only) in places.items():
        fields = ["type=bind", "source=" + host, "target=" + inside] + (["readonly"] if read_only else [])
        options += ["--mount", _csv(*fields)]
    return options


def run_argv(ctx: "Context", argv: "List[str]", env: "Dict[str, str]") -> "Tuple[List[str], Dict[str, str]]":
    """`argv` inside a container, and the environment for the Docker client, which hands the values on by name."""
    image = prepare_image(ctx)
    settings = ctx.attempt["container"]
    docker = _docker()
    gpus = settings.get("gpus") == "auto" and gpu_count(env) > 0
    merged = dict(env)
    if not gpus:
        merged["RUNCTL_DEVICE"] = "cpu"
    names: "Set[str]" = set(ctx.attempt.get("env") or {}) | set(ctx.secrets_env) | set(_PASSED)
    names |= {name for name in merged if name.startswith("RUNCTL_")}
    run = [docker, "run", "--rm", "--init", "--name", container_name(ctx)]
    run += ["--label", "runctl.run=%s" % ctx.attempt["runId"], "--label", "runctl.nonce=%s" % ctx.attempt["nonce"]]
    run += ["--label", "runctl.state=%s" % ctx.attempt["stateId"]]
    run += ["--workdir", ctx.work] + _mounts(ctx, merged)
    if gpus:
        run += ["--gpus", "all"]
    shared = _shared_memory()
    if shared:
        run += ["--shm-size", str(shared)]
    distributed = ctx.attempt.get("distributed")
    if distributed and int(distributed["nodes"]) > 1:
        run += ["--network", "host"]
    if os.getuid() != 0:
        # Files that it writes must stay ours. Such a user has no home in most images.
        run += ["--user", "%d:%d" % (os.getuid(), os.getgid())]
        if "HOME" not in names:
            run += ["--env", "HOME=%s" % ctx.work]
    for name in sorted(name for name in names if name in merged):
        if name in _CLIENT or name.startswith("DOCKER_"):
            run += ["--env", "%s=%s" % (name, _plain(ctx, merged, name))]
        else:
            run += ["--env", name]
    # The image's own entrypoint would take our command as its arguments.
    run += ["--entrypoint", argv[0], image, *argv[1:]]
    return run, merged


def _plain(ctx: "Context", env: "Dict[str, str]", name: str) -> str:
    """The training's value of a variable that steers the Docker client too: `env` gets the machine's own back."""
    if name in ctx.secrets_env:
        raise SetupError(
            "%s cannot be a secret of a run in a container" % name,
            "the Docker client reads it too",
            ["give it by `env`"],
        )
    value = env.pop(name)
    if name in os.environ:
        env[name] = os.environ[name]
    return value


def _shared_memory() -> "Optional[int]":
    """Half of the memory, as /dev/shm has outside: data loaders pass batches there, and Docker's 64 MB default kills them."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (OSError, ValueError):
        return None
