#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command itself: help, version, and words that mean nothing."""
import pathlib

import pktverbs

DOCUMENTS = pathlib.Path(__file__).parents[2] / "docs" / "tools"


class Command(pktverbs.TestCase):
    def test_lists_its_subcommands(self):
        for words in ["--help"], ["-h"], ["help"]:
            result = self.expect(pktverbs.run(*words))
            self.assertIn("devices", result.out)
            self.assertEqual(result.err, "")
            self.assertLessEqual(max(map(len, result.out.splitlines())), 80)

    def test_says_its_version(self):
        self.assertRegex(self.expect(pktverbs.run("--version")).out, r"^pktverbs \d+\.\d+\.\d+\n$")

    def test_refuses_what_it_does_not_know(self):
        result = self.expect(pktverbs.run("devics"), 2)
        self.assertIn("'devics'; is 'devices' meant?", result.err)
        self.assertEqual(result.out, "")
        self.assertIn("no option '--vers'", self.expect(pktverbs.run("--vers"), 2).err)
        self.assertIn("usage:", self.expect(pktverbs.run(), 2).err)
        self.assertIn("'nothing'", self.expect(pktverbs.run("help", "nothing"), 2).err)

    def test_helps_with_each_subcommand(self):
        names = [line.split()[0] for line in pktverbs.run("--help").out.splitlines() if line.startswith("  ") and
                 not line.strip().startswith("-")]
        self.assertIn("devices", names)
        for name in names:
            with self.subTest(name):
                result = self.expect(pktverbs.run("help", name))
                self.assertIn(f"pktverbs {name}", result.out)
                for line in result.out.splitlines():
                    self.assertLessEqual(len(line), 80, line)
                self.assertIn("Exit status", result.out)
                self.assertTrue((DOCUMENTS / f"{name}.md").exists(), f"no document of {name}")
                self.assertEqual(result.out, self.expect(pktverbs.run(name, "--help")).out)
                refused = self.expect(pktverbs.run(name, "--no-such-option"), 2)
                self.assertTrue(refused.err.startswith(f"pktverbs {name}: "), refused)
                self.assertEqual(refused.err.count("\n"), 1, refused)

    def test_fails_when_its_output_is_lost(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            with pktverbs.Running(["--help"], stdout=full) as running:
                self.assertEqual(running.wait().status, 1)


if __name__ == "__main__":
    pktverbs.main()
