"""Builds the control plane's programs from Debian packages, once a machine.

Debian ships etcd, kubectl and Prometheus as binaries but no Kubernetes servers; its source package
holds the whole tree, which its Go compiler builds after two repairs (see `_repair` and
`_generate_openapi`). Every stage is left behind complete or not at all, so a build that was cut
short goes on where it stopped.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .assets import PROGRAMS, VERSION, cache_folder
from .debian import Archive

GO = "1.19"
PACKAGES = (
    f"golang-{GO}-go",
    f"golang-{GO}-src",
    "golang-github-modern-go-reflect2-dev",
    "etcd-server",
    "kubernetes-client",
    "prometheus",
)
BUILT = ("kube-apiserver", "kube-controller-manager")
KUBERNETES = "k8s.io/kubernetes"
REFLECT2 = "github.com/modern-go/reflect2"
OPENAPI_ROOTS = (
    "pkg",
    *(
        f"vendor/k8s.io/{module}"
        for module in (
            "api",
            "apiextensions-apiserver",
            "apimachinery",
            "apiserver",
            "client-go",
            "cloud-provider",
            "component-base",
            "kube-aggregator",
            "kubectl",
            "metrics",
        )
    ),
)

_TARBALL = "kubernetes.orig.tar"

Report = Callable[[str], None]


class BuildError(Exception):
    """A command of the build failed; the message ends with its output."""


def build(report: Report) -> Path:
    """Make the cache folder complete and return it; at once where it is already.

    A lock keeps two builds apart: the second waits and finds the first one's work.

    Raises:
        AptError: a package could not be fetched.
        BuildError: a compilation failed.
    """
    target = cache_folder()
    with _locked(target.with_name(f".{VERSION}.lock")):
        if not (target / "bin").is_dir():
            workshop = Workshop(target.with_name(f".{VERSION}.build"), report)
            workshop.run()
            target.mkdir(exist_ok=True)
            (workshop.folder / "bin").rename(target / "bin")
            shutil.rmtree(workshop.folder)
    return target


@dataclass(frozen=True)
class Workshop:
    """The folder of a build in progress and the stages that fill it."""

    folder: Path
    report: Report

    @property
    def root(self) -> Path:
        """Where Debian's packages are unpacked."""
        return self.folder / "debian" / "root"

    @property
    def tree(self) -> Path:
        """The Kubernetes sources, where `GOPATH` wants them."""
        return self.folder / "gopath" / "src" / KUBERNETES

    def run(self) -> None:
        """Run the stages that are not done yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stage("debian", "fetching packages and sources", self._fetch)
        self._stage("gopath", "unpacking the sources", self._unpack_sources)
        self._stage("openapi", "generating the OpenAPI definitions", self._generate_openapi)
        for name in BUILT:
            self._stage(name, f"compiling {name}", partial(self._compile, name))
        self._stage("bin", "collecting the programs", self._collect)

    def _stage(self, name: str, doing: str, work: Callable[[Path], None]) -> None:
        done, half = self.folder / name, self.folder / f"{name}.half"
        if done.exists():
            return
        self.report(f"{doing} …")
        started = time.monotonic()
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        work(half)
        half.rename(done)
        self.report(f"{doing}: {time.monotonic() - started:.0f} s")

    def _fetch(self, out: Path) -> None:
        # All of it again after a failure: old package lists name versions that are gone.
        archive = Archive(out)
        archive.update()
        archive.unpack(PACKAGES, out / "root")
        archive.download_source("kubernetes", VERSION).rename(out / _TARBALL)

    def _unpack_sources(self, out: Path) -> None:
        with tarfile.open(self.folder / "debian" / _TARBALL) as archive:
            # Debian 12's Python is older than the `filter` argument; an attribute does not hurt it.
            archive.extraction_filter = getattr(tarfile, "tar_filter", None)
            archive.extractall(out / "unpacked")
        (top,) = (out / "unpacked").iterdir()
        tree = out / "src" / KUBERNETES
        tree.parent.mkdir(parents=True)
        top.rename(tree)
        self._repair(tree)

    def _repair(self, tree: Path) -> None:
        # The vendored reflect2 relies on how maps were laid out before Go 1.18, and crashes the
        # server at random when it iterates over one.
        vendored = tree / "vendor" / REFLECT2
        shutil.rmtree(vendored)
        shutil.copytree(self.root / "usr/share/gocode/src" / REFLECT2, vendored)

    def _generate_openapi(self, out: Path) -> None:
        # Kubernetes does not keep this generated file in its repository.
        generator = out / "openapi-gen"
        self._go("build", "-o", generator, "./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
        inputs = ",".join(f"{KUBERNETES}/{package}" for package in openapi_packages(self.tree))
        self._run(
            generator,
            *("--input-dirs", inputs),
            *("--output-package", f"{KUBERNETES}/pkg/generated/openapi"),
            *("--output-file-base", "zz_generated.openapi"),
            *("--output-base", self.folder / "gopath" / "src"),
            *("--go-header-file", "hack/boilerplate/boilerplate.generatego.txt"),
            *("--report-filename", out / "violations"),
        )

    def _compile(self, name: str, out: Path) -> None:
        major, minor, _ = VERSION.split(".")
        stamps = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
        flags = " ".join(
            f"-X {KUBERNETES}/vendor/k8s.io/{package}.{key}={value}"
            for package in ("component-base/version", "client-go/pkg/version")
            for key, value in stamps.items()
        )
        self._go("build", "-ldflags", f"-s -w {flags}", "-o", out / name, f"./cmd/{name}")

    def _collect(self, out: Path) -> None:
        for name in PROGRAMS:
            built = self.folder / name / name
            shutil.copy2(built if name in BUILT else self.root / "usr/bin" / name, out / name)

    def _go(self, *arguments: str | Path) -> None:
        self._run(self.root / f"usr/lib/go-{GO}/bin/go", *arguments)

    def _run(self, *command: str | Path) -> None:
        finished = subprocess.run(
            command,
            cwd=self.tree,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if finished.returncode != 0:
            raise BuildError(f"{Path(command[0]).name} failed:\n{finished.stdout[-8000:]}")

    def _environment(self) -> dict[str, str]:
        goroot = self.root / f"usr/lib/go-{GO}"
        return {
            "PATH": f"{goroot}/bin:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "GOROOT": str(goroot),
            "GOPATH": str(self.folder / "gopath"),
            "GOCACHE": str(self.folder / "gocache"),
            "GO111MODULE": "off",  # module mode refuses Debian's vendored tree
            "GOFLAGS": "",
            "CGO_ENABLED": "0",
        }


def openapi_packages(tree: Path) -> list[str]:
    """Packages of the tree whose types ask for OpenAPI definitions, relative to the tree."""
    asking = re.compile(r"\+k8s:openapi-gen=")
    return sorted(
        {
            str(path.parent.relative_to(tree))
            for root in OPENAPI_ROOTS
            for path in _go_files(tree / root)
            if asking.search(path.read_text())
        }
    )


def _go_files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        if "testdata" not in Path(folder).parts:
            yield from (Path(folder, name) for name in names if name.endswith(".go"))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
