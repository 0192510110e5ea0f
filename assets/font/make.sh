#!/bin/sh
# Makes the font of the pictures from DejaVu Sans 2.37: sh assets/font/make.sh DejaVuSans.ttf
# Needs pyftsubset of fonttools 4.68.0. Keeps Latin, Greek and Cyrillic letters, punctuation and
# some signs; drops hints, kerning and ligatures, which nothing here reads.
set -eu
pyftsubset "$1" --output-file="$(dirname "$0")/DejaVuSans-subset.ttf" \
    --unicodes=U+0020-007E,U+00A0-017F,U+0192,U+02C6-02DD,U+0386-03CE,U+0400-045F,U+0490-0491,U+1E9E,U+2010-2015,U+2018-201E,U+2020-2022,U+2026,U+2030,U+2032-2033,U+20AC,U+2122,U+2190-2193,U+2212,U+221E,U+2248,U+2264-2265 \
    --no-hinting --layout-features= --name-IDs=0,1,2,4,6,14 \
    --drop-tables+=GSUB,GPOS,GDEF,kern,FFTM,MATH,gasp
