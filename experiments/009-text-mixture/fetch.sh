#!/bin/bash
# Jane Austen's six novels as text, a file for each chapter, from a Debian package: no root, no R.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download r-cran-janeaustenr && dpkg-deb -x r-cran-janeaustenr_*.deb .)
python3 janeausten.py "$work"/usr/lib/R/site-library/janeaustenr/data corpora/austen
