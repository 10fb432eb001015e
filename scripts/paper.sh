#!/bin/sh
# What PDF handouts need of the system, and their tests: Pango for WeasyPrint, HarfBuzz to embed
# only the letters that are used, fonts with Chinese, and poppler to read what was printed.
set -eu
packages="libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk fontconfig poppler-utils"

lacks() {
    ! command -v pdftotext >/dev/null 2>&1 ||
        ! command -v fc-list >/dev/null 2>&1 ||
        [ -z "$(fc-list ':family=Noto Sans CJK SC' family)" ] ||
        [ -z "$(fc-list ':family=Noto Sans Mono CJK SC' family)" ] ||
        ! ldconfig -p 2>/dev/null | grep -q 'libpangoft2-1\.0\.so' ||
        ! ldconfig -p 2>/dev/null | grep -q 'libharfbuzz-subset\.so'
}

lacks || exit 0
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
    echo "Tests of PDF handouts need: $packages" >&2
    echo "Hint: on Debian and its kin: sudo apt-get install $packages" >&2
    exit 3
fi
echo "· Installing what PDF handouts need of the system"
apt-get update -qq
# The names are many words on purpose.
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
if lacks; then
    echo "The packages are installed, and PDF handouts still lack a library or a font." >&2
    exit 3
fi
