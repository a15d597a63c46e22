#!/usr/bin/env bash
# Every test, with all that they need. On Debian and its like, what is missing is installed by
# package name where that may be done (as root, or with sudo); elsewhere it is named.
# Arguments go to `cargo test`: ./tests/run.sh --no-default-features -p ontogeny-store
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Whether what a package brings is there already, wherever it came from.
has_compiler() { command -v cc >/dev/null && echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null; }
has_browser() {
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" >/dev/null && return
    done
    return 1
}
has_library() { PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null | grep -qF "$1"; }
has_vulkan() {
    local folder
    for folder in /usr/share/vulkan/icd.d /usr/local/share/vulkan/icd.d /etc/vulkan/icd.d; do
        compgen -G "$folder/*.json" >/dev/null && has_library libvulkan.so.1 && return
    done
    return 1
}

missing=()
has_compiler || missing+=(build-essential)
has_browser || missing+=(chromium fonts-dejavu-core)
has_vulkan || missing+=(mesa-vulkan-drivers libvulkan1)

if [ "${#missing[@]}" -gt 0 ]; then
    install="apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}"
    as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    if ! command -v apt-get >/dev/null; then
        echo "tests/run.sh: these Debian packages, or what is like them here, are missing: ${missing[*]}" >&2
        exit 1
    fi
    if ! "${as_root[@]}" true 2>/dev/null; then
        echo "tests/run.sh: something that the tests need is missing. This installs it:" >&2
        echo "    sudo sh -c '$install'" >&2
        exit 1
    fi
    echo "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes -q --no-install-recommends "${missing[@]}"
fi

if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
fi
if ! command -v cargo >/dev/null; then
    echo "tests/run.sh: there is no Rust toolchain: https://www.rust-lang.org/tools/install" >&2
    exit 1
fi

# With it, no test is left out for what the machine lacks.
export ONTOGENY_TEST_ALL=1
exec cargo test --release --workspace "$@"
