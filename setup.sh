#!/bin/sh
# Makes sure of what faltung needs to build beside Rust: on Linux a linker, pkg-config and the
# headers of ALSA, for live sound. Does nothing where all is there.
set -eu

[ "$(uname -s)" = Linux ] || exit 0

has_linker() { command -v cc >/dev/null 2>&1; }
has_tool() { command -v pkg-config >/dev/null 2>&1 || command -v pkgconf >/dev/null 2>&1; }
has_headers() { pkg-config --exists alsa 2>/dev/null || pkgconf --exists alsa 2>/dev/null; }
complete() { has_linker && has_tool && has_headers; }

complete && exit 0

# What each system calls them, and how it installs.
if command -v apt-get >/dev/null 2>&1; then
    linker="gcc libc6-dev" tool=pkg-config headers=libasound2-dev
    update="apt-get update -qq" install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq"
elif command -v dnf >/dev/null 2>&1; then
    linker=gcc tool=pkgconf-pkg-config headers=alsa-lib-devel
    update=: install="dnf install -y -q"
elif command -v pacman >/dev/null 2>&1; then
    linker=gcc tool=pkgconf headers=alsa-lib
    update=: install="pacman -S --needed --noconfirm"
elif command -v zypper >/dev/null 2>&1; then
    linker=gcc tool=pkg-config headers=alsa-devel
    update=: install="zypper --non-interactive install"
elif command -v apk >/dev/null 2>&1; then
    linker="gcc musl-dev" tool=pkgconf headers=alsa-lib-dev
    update=: install="apk add --quiet"
else
    linker="a C linker (cc)" tool=pkg-config headers="the development files of ALSA (alsa-lib)"
    update=: install=
fi

packages= why=
need() {
    packages="$packages${packages:+ }$1"
    why="$why${why:+, }$2"
}
has_linker || need "$linker" "a linker for Rust"
has_headers || need "$headers" "ALSA's headers for live sound"
has_tool || need "$tool" "pkg-config, which finds them"

refuse() {
    echo "setup: $1. Needed: $packages ($why)." >&2
    echo "setup: install that, or build without live sound:" >&2
    echo "    cargo run --no-default-features --features cli" >&2
    exit 1
}

[ -n "$install" ] || refuse "no package manager is known here"
root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || refuse "to install takes root, and there is no sudo"
    root=sudo
fi
echo "setup: installing $packages ($why)" >&2
# Old lists of packages may still do; what is asked for is on standard error.
[ "$update" = : ] || $root $update >&2 || :
$root $install $packages >&2 || refuse "\`$install $packages\` has failed"
complete || refuse "something is still missing"
