#!/usr/bin/env bash
# Installs what the engine and its tests need from the system and says what it did. Silent when nothing is missing.
#
#   ./setup.sh            install what is missing (apt-get; elsewhere: print the list and exit with 1)
#   ./setup.sh --check    only say what is missing; exits with 1 if something is
#
# It looks for files and commands, not for packages, so other ways of installing them count too.
set -euo pipefail

here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"

# What is needed: kind, name, Debian package, why.
needs="
command cc                      build-essential       a C compiler and linker, for Rust crates with C parts
driver  lvp_icd                 mesa-vulkan-drivers   lavapipe, the software Vulkan driver
library libvulkan.so.1          libvulkan1            the Vulkan loader
library libX11.so.6             libx11-6              windows
library libX11-xcb.so.1         libx11-xcb1           windows
library libxcb.so.1             libxcb1               windows
library libXcursor.so.1         libxcursor1           mouse cursor
library libXi.so.6              libxi6                mouse and keyboard
library libXrandr.so.2          libxrandr2            monitors
library libxkbcommon.so.0       libxkbcommon0         keyboard layouts
library libxkbcommon-x11.so.0   libxkbcommon-x11-0    keyboard layouts
command Xvfb                    xvfb                  tests: a display without a monitor
command xdotool                 xdotool               tests: keys, clicks and resizes
command convert|magick          imagemagick           tests: screenshots of windows
"

main() {
    case "${1-}" in
        "") ;;
        --check) ;;
        *) fail "unknown option \"$1\". Usage: ./setup.sh [--check]" ;;
    esac
    find_missing
    if [ -n "$missing" ]; then
        if [ "${1-}" = --check ]; then
            say "missing:"
            list_missing
            exit 1
        fi
        install_missing
    fi
    check_rust
}

# Sets `missing` to the lines of `needs` that are not met.
find_missing() {
    local kind name package why
    missing=""
    libraries="$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null || true)"
    while read -r kind name package why; do
        if [ -n "$kind" ] && ! "have_$kind" "$name"; then
            missing+="$kind $name $package $why"$'\n'
        fi
    done <<<"$needs"
}

# True if one of the commands (joined by "|") can be run.
have_command() {
    local IFS="|" name
    for name in $1; do
        if command -v "$name" >/dev/null; then return 0; fi
    done
    return 1
}

# True if the dynamic loader would find the shared library.
have_library() {
    local IFS=":" folder
    case "$libraries" in *"$1 ("*) return 0 ;; esac
    for folder in ${LD_LIBRARY_PATH-} /usr/lib /usr/lib64 /lib /lib64; do
        if [ -n "$folder" ] && [ -e "$folder/$1" ]; then return 0; fi
    done
    return 1
}

# True if the Vulkan loader would find a driver manifest whose name starts so.
have_driver() {
    local IFS=":" file
    for file in ${VK_DRIVER_FILES-} ${VK_ICD_FILENAMES-}; do
        case "$file" in *"/$1"*.json) if [ -f "$file" ]; then return 0; fi ;; esac
    done
    for file in {/usr/share,/usr/local/share,/etc,"${HOME-}/.local/share"}/vulkan/icd.d/"$1"*.json; do
        if [ -f "$file" ]; then return 0; fi
    done
    return 1
}

install_missing() {
    local packages log as_root=() reason
    if ! command -v apt-get >/dev/null; then
        say "this system has no apt-get. Install these with its package manager (Debian's package names in brackets), then run ./setup.sh again:"
        list_missing
        exit 1
    fi
    packages="$(awk 'NF { print $3 }' <<<"$missing" | sort -u | tr '\n' ' ')"
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "missing:"
            list_missing
            fail "installing needs root, and there is no sudo. As root: apt-get install $packages"
        fi
        # Without a terminal nobody can type a password: fail at once and do not hang.
        as_root=(sudo)
        if [ ! -t 0 ]; then as_root=(sudo -n); fi
    fi

    say "missing:"
    list_missing
    say "installing with apt-get (a minute or two): $packages"
    log="$(mktemp)"
    # shellcheck disable=SC2064  # the name is wanted as it is now
    trap "rm -f '$log'" EXIT
    # shellcheck disable=SC2086  # one word a package
    if ! { apt_get update && apt_get install -y --no-install-recommends $packages; } </dev/null >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        reason="see the lines above"
        if grep -qE 'password is required|Permission denied|are you root' "$log"; then
            reason="no rights to install. As root: apt-get install $packages"
        elif grep -qE 'Could not get lock|Unable to lock|Unable to acquire' "$log"; then
            reason="another package manager holds apt's lock. Wait for it, then run ./setup.sh again"
        elif grep -qE 'resolv|Failed to fetch|Unable to connect|Could not connect|Network is unreachable' "$log"; then
            reason="apt-get cannot reach its servers. Check the network or proxy, then run ./setup.sh again"
        elif grep -q 'Unable to locate package' "$log"; then
            reason="this system's package lists lack a package. Install what gives the files listed above by other means"
        fi
        fail "apt-get failed: $reason"
    fi
    find_missing
    if [ -n "$missing" ]; then
        list_missing >&2
        fail "apt-get installed $packages, but the above is still not found"
    fi
    say "installed: $packages"
}

apt_get() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"
}

# Rust is not ours to install: people have their own ways and versions.
check_rust() {
    local wanted found
    wanted="$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$here/Cargo.toml" | head -n 1)"
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        if [ -x "${HOME-}/.cargo/bin/cargo" ]; then
            fail "Rust is installed in ~/.cargo/bin, which is not in PATH. Run: . ~/.cargo/env"
        fi
        fail "Rust is missing. Install Rust $wanted or newer from https://rustup.rs and open a new shell"
    fi
    if ! found="$(cd "$here" && rustc --version 2>&1)"; then
        fail "rustc does not run: $found"
    fi
    found="$(sed -n 's/^rustc \([0-9.]*\).*/\1/p' <<<"$found")"
    if [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
        fail "Rust $found is too old: $wanted or newer is needed. Run: rustup update stable"
    fi
}

list_missing() {
    awk 'NF { name = $2; gsub(/\|/, " or ", name); why = $4; for (i = 5; i <= NF; i++) why = why " " $i; printf "  %s [%s]: %s\n", name, $3, why }' <<<"$missing"
}

say() { echo "setup: $*"; }

fail() {
    echo "setup: error: $*" >&2
    exit 1
}

main "$@"
