#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Doxygen over the public headers, by docs/Doxyfile, warns of nothing: every class and member has a comment that it
understands. And a class's comment says first what the class is for, not who owns it.

usage: check_api.py SOURCE_DIRECTORY
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

# What a brief must not begin with: ownership and threads come second.
NOT_A_PURPOSE = re.compile(r'(Move-only|A value\b(?! of)|A (shared )?handle|Owned by|Owns nothing|Neither copied|Plain numbers'
                           r'|One thread|A forward range|This is an overloaded)')


def main():
    source = pathlib.Path(sys.argv[1]).resolve()
    if not shutil.which('doxygen'):
        print('NOT TESTED: doxygen is not installed')
        return 77
    sys.path.insert(0, str(source / 'docs'))
    sys.dont_write_bytecode = True
    from doxygen_filter import filtered

    with tempfile.TemporaryDirectory() as there:
        there = pathlib.Path(there)
        # Filtered by this process: one for every header, as docs/Doxyfile has it, takes ten times as long.
        for header in (source / 'include').rglob('*.hpp'):
            copy = there / header.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(''.join(filtered(header.read_text().splitlines(keepends=True))))
        settings = (source / 'docs/Doxyfile').read_text() + '''
            INPUT_FILTER =
            OUTPUT_DIRECTORY = api
            GENERATE_HTML = NO
            GENERATE_XML = YES
            XML_PROGRAMLISTING = NO
        '''
        done = subprocess.run(['doxygen', '-'], cwd=there, input=settings, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        faults = [line.replace(f'{there}/', '') for line in done.stdout.splitlines() if line.strip()]
        if done.returncode != 0:
            faults.append(f'doxygen ended with {done.returncode}')
        classes = 0
        for path in (there / 'api/xml').glob('*.xml'):
            for compound in xml.etree.ElementTree.parse(path).iter('compounddef'):
                if compound.get('kind') not in ('class', 'struct'):
                    continue
                classes += 1
                brief = ''.join(compound.find('briefdescription').itertext()).strip()
                if NOT_A_PURPOSE.match(brief):
                    where = compound.find('location').get('file').replace(f'{there}/', '')
                    faults.append(f"{where}: the comment of {compound.findtext('compoundname')} begins with "
                                  f'"{brief}"; say first what it is for')
        if classes < 100:
            faults.append(f'only {classes} classes were found: is docs/Doxyfile right?')
    print(*faults, f'{classes} classes, {len(faults)} faults', sep='\n')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
