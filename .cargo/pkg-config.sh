#!/bin/sh
# pkg-config, with two things added: where ALSA's headers are missing, the packages that hold them;
# and JACK's library, which is looked for when the program runs, is not asked for when it is built.

asks_for() {
    wanted=$1
    shift
    for word in "$@"; do
        case $word in "$wanted" | "$wanted "*) return 0 ;; esac
    done
    return 1
}

real() {
    for tool in pkg-config pkgconf; do
        if command -v "$tool" >/dev/null 2>&1; then
            "$tool" "$@"
            return
        fi
    done
    echo "there is no pkg-config" >&2
    return 127
}

# What is here is of no use to another kind of machine.
if [ "${HOST-}" != "${TARGET-}" ] &&
    [ -z "${PKG_CONFIG_ALLOW_CROSS-}${PKG_CONFIG_SYSROOT_DIR-}${PKG_CONFIG_LIBDIR-}" ]; then
    echo "for $TARGET, set PKG_CONFIG_SYSROOT_DIR, or PKG_CONFIG to its own pkg-config" >&2
    exit 1
fi

if asks_for jack "$@" && ! real --exists jack 2>/dev/null; then
    case " $* " in *" --modversion "*) echo 1.9.0 ;; esac
    exit 0
fi

real "$@"
code=$?
if [ $code -ne 0 ] && asks_for alsa "$@"; then
    cat >&2 <<'END'

faltung's live sound needs the headers of ALSA and pkg-config to build. Either of
    sh setup.sh                                          installs them
    apt-get install pkg-config libasound2-dev            Debian, Ubuntu
    dnf install pkgconf-pkg-config alsa-lib-devel        Fedora
    pacman -S pkgconf alsa-lib                           Arch
    zypper install pkg-config alsa-devel                 openSUSE
    apk add pkgconf alsa-lib-dev                         Alpine
helps; or build without live sound:
    cargo run --no-default-features --features cli
END
fi
exit $code
