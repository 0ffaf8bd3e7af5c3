#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Filters a header for Doxygen: gives a brief to what means the same in every class, so that headers need not repeat it.

Moves and comparisons, what co_await calls, tables of function pointers, the fields of a protocol header; and further
overloads of a function, which share the comment of the first. Everything else needs a comment of its own.
"""
import re
import sys

IDIOMS = [(re.compile(pattern), text) for pattern, text in [
    (r'^(?:explicit )?(\w+)\(\1(?:<.*>)?&&', 'Takes over what the other one holds, and leaves that empty.'),
    (r'\boperator=\((\w+)(?:<.*>)?&&', 'Takes over what the other one holds, and ends what this one held.'),
    (r'\boperator(?:==|<=>)\(', 'Compares all members.'),
    (r'\bawait_(?:ready|suspend|resume)\(', 'For co_await.'),
    (r'\b(?:begin|end)\(\) const', 'For loops and algorithms.'),
    (r'\(\*\w+\)\(', 'The function of that name, which reports errors as that one does.'),
    (r'\braw\(\)', 'Returns the object underneath, which this one owns.'),
    (r'\bget(?:8|16|32|_\w+)?\(std::size_t at\)|\bput\(std::size_t at', 'Reads or writes a field at this offset.'),
    (r'this->get\w*\(', 'Returns the field of that name, in host order.'),
    (r'\bset_\w+\(.*!std::is_const_v<Byte>', 'Sets the field of that name, from host order; no checksum is updated.'),
    (r'\bExtent measure\(', 'Returns how far the header and its packet reach; all zero if the bytes hold no such header.'),
    (r'\bexplicit \w+View\(std::span<Byte>', 'Views the header at the start of these bytes; tests false if there is none.'),
    (r'\b\w+View\(std::span<Byte> \w+, const Extent&', 'Views a header that measure() has measured in these bytes.'),
    (r'\bstd::size_t size = \d+', 'The length in bytes, without options.'),
]]
SCOPE = re.compile(r'^(?:template <.*> )?(?:class|struct|namespace|union)\b')
NO_MEMBER = re.compile(r'template|static_assert|friend (?:class|struct)|[#}]')
FUNCTION = re.compile(r'([~\w]+)\(')


def filtered(lines):
    scopes = []  # whether each open brace is of a class or a namespace
    documented = False  # by the comment above, or as the rest of a declaration
    last = None
    statement = ''
    for line in lines:
        code = line.strip()
        begins = not statement
        if begins and code and not code.startswith('//') and all(scopes):
            if not documented and '///<' not in code and not NO_MEMBER.match(code):
                name = FUNCTION.search(code)
                text = next((text for pattern, text in IDIOMS if pattern.search(code)), None)
                if text is None and name and name[1] == last:
                    text = '@overload'
                if text:
                    line = line.replace(code, f'/** {text} */ {code}', 1)
            if name := FUNCTION.search(code):
                last = name[1]
        yield line

        if code.startswith('//'):
            documented = documented or code.startswith('///')
            continue
        if not code or code.startswith('#'):
            documented = False
            continue
        bare = re.sub(r'"(?:\\.|[^"\\])*"|\'.\'|//.*', '', code).strip()
        statement += bare + ' '
        for brace in re.findall(r'[{}]', bare):
            if brace == '{':
                scopes.append(SCOPE.search(statement.strip()) is not None and '(' not in statement.split('{')[0])
                if scopes[-1]:
                    last = None  # no overload of another class's
            elif scopes:
                scopes.pop()
        if bare.endswith((';', '{', '}', ':')):
            statement = ''
            documented = False
        elif statement.startswith('template') and bare.endswith('>'):
            statement = ''  # the declaration follows, with the same comment


if __name__ == '__main__':
    with open(sys.argv[1], encoding='utf-8') as header:
        sys.stdout.writelines(filtered(header))
