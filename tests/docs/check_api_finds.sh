#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks that check_api.py fails for what it should find, each planted in a header of its own.
# check_api_finds.sh SOURCE_TREE
set -euo pipefail
command -v doxygen >/dev/null || {
    echo 'NOT TESTED: doxygen is not installed'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$1/include" "$work"
mkdir "$work/docs"
cp "$1/docs/Doxyfile" "$1/docs/doxygen_filter.py" "$work/docs"
planted=$work/include/pktverbs/planted.hpp

# finds WORDS <HEADER
finds() {
    { echo 'namespace pktverbs {' && cat && echo '}'; } >"$planted"
    if output=$("$1/tests/docs/check_api.py" "$work"); then
        printf 'nothing was found, not: %s\n' "$2" >&2
        exit 1
    elif ! grep -qF -- "$2" <<<"$output"; then
        printf 'not found: %s\nbut:\n%s\n' "$2" "$output" >&2
        exit 1
    fi
}

finds "$1" 'planted.hpp:2: warning: Compound pktverbs::Bare is not documented' <<'END_OF_HEADER'
class Bare {
public:
    int x;
};
END_OF_HEADER
finds "$1" 'Member length() const (function) of class pktverbs::Half is not documented' <<'END_OF_HEADER'
/// Holds half of something.
class Half {
public:
    int length() const;
};
END_OF_HEADER
finds "$1" "explicit link request to 'nowhere' could not be resolved" <<'END_OF_HEADER'
/// Points to #nowhere that exists.
class Link {};
END_OF_HEADER
finds "$1" 'the comment of pktverbs::Owner begins with "Move-only' <<'END_OF_HEADER'
/// Move-only. Holds something.
class Owner {};
END_OF_HEADER

# And it passes what it should: overloads share a comment, and moves need none.
cat >"$planted" <<'END_OF_HEADER'
namespace pktverbs {
/// Holds something.
class Whole {
public:
    Whole(Whole&& other) noexcept;
    Whole& operator=(Whole&& other) noexcept;
    /// Changes it.
    void set(int value);
    void set(long value);
};
}
END_OF_HEADER
"$1/tests/docs/check_api.py" "$work"
