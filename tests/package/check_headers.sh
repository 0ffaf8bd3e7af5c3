#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that every public header compiles alone, after macros that other projects' headers define, and without any
# warning that careful programs enable. check_headers.sh COMPILER SOURCE_TREE [LEFT_OUT_FOLDER...]
set -euo pipefail
compiler=$1 source=$2
shift 2
flags=(-std=c++20 -fsyntax-only -x c++ -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wfloat-equal -Werror
    -I "$source/include" -include "$source/tests/package/macros_of_others.hpp")
case $compiler in
    *clang*) flags+=(-Wcast-align) ;;
    *) flags+=(-Wcast-align=strict) ;;
esac

cd "$source/include"
left_out=()
for folder in "$@"; do left_out+=(! -path "./pktverbs/$folder/*"); done
mapfile -t headers < <(find . -name '*.hpp' "${left_out[@]}" -printf '%P\n' | sort)
[ ${#headers[@]} -ge 40 ] || { echo "only ${#headers[@]} headers in $source/include" && exit 1; }
check_one() {
    local header=$1
    shift
    echo "#include <$header>" | "$@" - || { echo "^ $header" && return 1; }
}
export -f check_one
printf '%s\0' "${headers[@]}" | xargs -0 -P "$(nproc)" -I HEADER bash -c 'check_one "$@"' check_one HEADER "$compiler" "${flags[@]}"
echo "${#headers[@]} headers"
