#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles and runs a program against an installed prefix, as a person without CMake does.
# pkg_config.sh COMPILER PREFIX SOURCE PROGRAM [PACKAGE]
set -euo pipefail
compiler=$1 prefix=$2 source=$3 program=$4 package=${5:-pktverbs}

pc=$(find "$prefix" -name pktverbs.pc)
export PKG_CONFIG_PATH=${pc%/*}
pkg-config --print-errors --exists "$package >= 0.1"
eval "flags=($(pkg-config --cflags --libs "$package"))"
(
    set -x
    "$compiler" -std=c++20 -o "$program" "$source" "${flags[@]}"
)
LD_LIBRARY_PATH=$(dirname "${pc%/*}") "$program"
