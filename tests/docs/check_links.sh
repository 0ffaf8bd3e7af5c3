#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks that the documents' links inside the tree lead to existing files and headings: check_links.sh SOURCE_TREE
set -u
cd "$1" || exit 1
bad=0
for document in README.md docs/*.md docs/tools/*.md; do
    links=$(awk '/^```/ { code = !code } !code' "$document" | grep -o '\]([^)]*)' | sed 's/^](//; s/)$//')
    for link in $links; do
        case $link in
            http://* | https://*) continue ;;
            '#'*) file=$document ;;
            *) file=$(dirname "$document")/${link%%#*} ;;
        esac
        anchor=
        case $link in *'#'*) anchor=${link#*#} ;; esac
        if [ ! -e "$file" ]; then
            echo "$document: no such file: $link"
            bad=1
        elif [ -n "$anchor" ] && ! sed -n 's/^##* //p' "$file" | tr 'A-Z ' 'a-z-' | tr -d '`:,.()/' | grep -qx "$anchor"; then
            echo "$document: no such heading: $link"
            bad=1
        fi
    done
done
exit "$bad"
