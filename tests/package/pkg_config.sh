#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles and runs a program against an installed prefix, by the README's lines as written: only the prefix and the
# package differ. pkg_config.sh README COMPILER PREFIX SOURCE WORK_DIR [PACKAGE]
set -euo pipefail
readme=$1 compiler=$2 prefix=$3 source=$4 work=$5 package=${6:-pktverbs}

lines=$(awk '/^```sh$/ { block = ""; inside = 1; next }
    /^```$/ { if (inside && block ~ /pkg-config/) printf "%s", block; inside = 0 }
    inside { block = block $0 "\n" }' "$readme")
[[ $lines == *"/opt/pktverbs/lib/pkgconfig"* && $lines == *"g++ "*" pktverbs)"*"./program"* ]] ||
    { echo "the README has no such lines any more, but: $lines" && exit 1; }

rm -rf "$work"
mkdir -p "$work"
# What a shell makes of $(pkg-config ...) is split at spaces: a prefix with one is nobody's who types this.
no_space=$(mktemp -d)
trap 'rm -rf "$no_space"' EXIT
ln -s "$(realpath "$prefix")" "$no_space/pktverbs"
pc=$(cd "$no_space" && find pktverbs/ -name pktverbs.pc)
lines=${lines//\/opt\/pktverbs\/lib\/pkgconfig/$no_space/${pc%/*}}
lines=${lines// pktverbs)/ $package)}
lines=${lines//g++ /\"$compiler\" }

cp "$source" "$work/program.cpp"
cd "$work"
unset LD_LIBRARY_PATH PKG_CONFIG_PATH
printf '%s\n' "$lines"
bash -euc "$lines"
