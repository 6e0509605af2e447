"""Tests of the documentation checks: what they find and what they accept."""

import os
import tempfile
import unittest
from unittest import mock

import check_commands
import check_fuzz_targets
import check_header_examples
import check_links
import check_messages
import check_preludes
import check_thread_tests
import check_type_names
import check_words
import documentation
import run_readme_commands

PAGE = """# One page: `code` & more

See [this](other.md#part-two), ![image](a%20b.png) and `[no](link)`.

## One page: `code` & more

```
# A comment.
./bazelw run //a:b -- --first \\
  --second='x y'
cd there
```

```python
./bazelw run //not:read
```
"""


class MarkdownTest(unittest.TestCase):
    def setUp(self):
        self.page = documentation.Document("docs/page.md", PAGE)

    def test_commands_are_joined_at_backslashes_and_comments_left_out(self):
        commands = [command for block in self.page.blocks for command in block.commands()]
        self.assertEqual(commands, [(9, "./bazelw run //a:b -- --first --second='x y'"), (11, "cd there")])

    def test_a_block_of_another_language_holds_no_commands(self):
        self.assertFalse(self.page.blocks[1].is_shell())

    def test_an_unnamed_block_without_a_command_is_none(self):
        self.assertFalse(documentation.Document("x", "```\na { b: 1 }\n```\n").blocks[0].is_shell())

    def test_links_in_code_are_none(self):
        self.assertEqual([target for _, target in self.page.links()], ["other.md#part-two", "a%20b.png"])

    def test_anchors_are_lower_case_words_and_counted_when_they_come_again(self):
        self.assertEqual(self.page.anchors(), {"one-page-code--more", "one-page-code--more-1"})


class TypeNamesTest(unittest.TestCase):
    TEXT = """
namespace a { enum class Kind { kOne };  // struct Comment { };
namespace { struct Own { int x; }; }
class Outer final : public Base<int> { struct Inner { }; };
template <> struct Of<float> { };
struct Outer::Part { };
const char* text = "struct Quoted { };"; struct Declared;
struct Sized { int a[2] = {1, 2}; }; } namespace b::c { struct Kind { }; }
"""

    def test_types_at_namespace_level_are_found_with_their_namespace(self):
        self.assertEqual(list(check_type_names.types(self.TEXT)),
                         [("a", "Kind", 2), ("a", "Outer", 4), ("a", "Sized", 8), ("b::c", "Kind", 8)])

    def test_a_name_defined_twice_fails(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("a.h", "b.h")]
            for path in paths:
                with open(path, "w", encoding="utf-8") as file:
                    file.write("namespace n { struct Same { }; }")
            for files, status in ((paths[:1], 0), (paths, 1)):
                with mock.patch("builtins.print"), self.assertRaises(SystemExit) as result:
                    check_type_names.main(files)
                self.assertEqual(result.exception.code, status)


class HeaderExamplesTest(unittest.TestCase):
    HEADER = "// Adds.\n//\n// Example:\n//   int three = Add(1, 2);\n\nint Add(int a, int b);\n"

    def found(self, text, is_listed):
        return list(check_header_examples.header_defects(text, is_listed))

    def test_listed_headers_are_those_of_the_rule(self):
        build = ('rcnn_cc_library(\n    hdrs = {\n        "a.h": [],\n    },\n)\n\n'
                 'rcnn_header_examples(\n    name = "x",\n    hdrs = {\n        "b.h": ["extern int c;"],\n'
                 '        "d.h": [\n            "extern int e;",\n        ],\n    },\n)\n')
        self.assertEqual(check_header_examples.listed_headers(build), {"b.h", "d.h"})

    def test_a_header_is_listed_exactly_if_it_has_an_example(self):
        self.assertEqual(self.found(self.HEADER, True), [])
        self.assertEqual(self.found("// Adds.\n", False), [])
        self.assertEqual([(line, "not compiled" in defect) for line, defect in self.found(self.HEADER, False)],
                         [(4, True)])
        self.assertEqual([(line, "no example" in defect) for line, defect in self.found("// Adds.\n", True)],
                         [(1, True)])

    def test_statements_stand_in_examples(self):
        text = "// Use it so:\n//   int three = Add(1, 2);\n"
        self.assertEqual([line for line, _ in self.found(text, False)], [2])
        self.assertEqual(self.found("// A rule has\n//   int Size() const;\n//   boxes  (x1, y1, x2, y2)\n", False), [])

    def test_a_mark_without_code_fails(self):
        (defect,) = self.found("// Example: Add(1, 2)\n", False)
        self.assertIn("line 1", defect[1])

    def test_blocks_of_pages_stand_in_sources(self):
        page = documentation.Document("page.md", "```cpp\nint a;\n\n  int b;\n```\n```\nint c;\n```\n")
        for source, lines in (("int a;\nint b;", []), ("int a;\nint x;\nint b;", [2]), ("aint a;\nint b;", [2])):
            joined = check_header_examples.searched("a.cc", source)
            self.assertEqual([line for line, _ in check_header_examples.page_defects(page, [joined])], lines)
        header = check_header_examples.searched("a.h", "// Example:\n//   int a;\n//   int b;\n")
        self.assertEqual(list(check_header_examples.page_defects(page, [header])), [])


class LinksTest(unittest.TestCase):
    def defect(self, target, anchors=("part-two",)):
        page = documentation.Document("docs/page.md", "")
        with mock.patch("os.path.exists", lambda path: path == "docs/other.md"):
            return check_links.defect_of_link(page, target, lambda file: set(anchors))

    def test_files_are_looked_for_beside_the_page(self):
        self.assertIsNone(self.defect("other.md"))
        self.assertIn("docs/missing.md", self.defect("missing.md"))

    def test_anchors_are_headings_of_the_file(self):
        self.assertIsNone(self.defect("other.md#part-two"))
        self.assertIn("#part-three", self.defect("other.md#part-three"))

    def test_named_tests_are_looked_for_in_their_source(self):
        source = "TEST(A, KeepsTheFile) {}\nTEST(A, LosesNothing) {}\n"
        with mock.patch("builtins.open", mock.mock_open(read_data=source)) as opened:
            found = list(check_links.missing_cases(
                "| it | `KeepsTheFile`, `LosesAll` (`//base/files:io_test`), `LosesNothing` (`//base:b_test`) | `Other` |"))
        self.assertEqual(found, ["`LosesAll`: no such test in base/files/io_test.cc"])
        opened.assert_any_call("base/files/io_test.cc", encoding="utf-8")

    def test_the_web_is_not_looked_up(self):
        self.assertIsNone(self.defect("https://example.org/x"))


class CommandsTest(unittest.TestCase):
    def setUp(self):
        replaced = {
            "targets": lambda: {"//a:b", "//training:stage_scheduler"},
            "program_flags": lambda label: {"config", "size", "rehearse"},
            "bazel_flags": lambda verb: {"test_filter", "config"},
            "bazel_configs": lambda: {"asan"},
            "experiments": lambda: {"shapes_tiny_joint"},
            "every_flag": lambda: {"size"},
        }
        for name, function in replaced.items():
            patch = mock.patch.object(check_commands, name, function)
            patch.start()
            self.addCleanup(patch.stop)

    def found(self, text):
        page = documentation.Document("page.md", f"```sh\n{text}\n```\n")
        return [defect for _, defect in check_commands.defects(page) if defect]

    def test_what_is_there_passes(self):
        self.assertEqual(self.found("./bazelw run //a:b -- --size=3 --norehearse"), [])
        self.assertEqual(self.found("X=1 bazel test --config=asan //... --test_filter=A"), [])
        self.assertEqual(self.found("./bazelw run //training:stage_scheduler -- --config=my_own.textproto"), [])

    def test_what_is_not_there_is_named(self):
        self.assertIn("no such target //a:c", self.found("./bazelw run //a:c"))
        self.assertIn("//a:b has no flag --sice", self.found("./bazelw run //a:b -- --sice=3"))
        self.assertIn("bazel test has no flag --tset", self.found("./bazelw test --tset //a:b"))
        self.assertIn(".bazelrc has no --config=tsan", self.found("./bazelw build --config=tsan //a:b"))
        self.assertIn("no such folder missing", self.found("./bazelw test //missing/..."))
        self.assertIn("no such program tools/gone.sh", self.found("tools/gone.sh check"))
        self.assertIn("no such experiment shapes_big",
                      self.found("./bazelw run //training:stage_scheduler -- --config=shapes_big"))

    def test_both_sides_of_a_chain_are_read(self):
        self.assertIn("no such target //a:c", self.found("git status && ./bazelw build //a:b && ./bazelw run //a:c"))

    def test_code_spans_are_read(self):
        page = documentation.Document("page.md", "`//a:c`, `--sise=3`, `shapes_tiny_jont`, `//my:own`, `--size`\n")
        self.assertEqual([defect for _, defect in check_commands.defects(page) if defect],
                         ["nothing has a flag --sise", "no such experiment shapes_tiny_jont",
                          "no such target //a:c"])


class PreludesTest(unittest.TestCase):
    BUILD = """load("x.bzl", "rcnn_cc_library", "rcnn_cc_test")

rcnn_cc_library(
    name = "a",
    srcs = ["a.cc"],
    hdrs = ["a.h"],
    visibility = VISIBLE + ["//b:__pkg__"],
    deps = ["@libtorch//:torch"],
)

[
    rcnn_cc_test(
        name = "{}_test".format(name),
        size = "medium",
        srcs = [name + "_test.cc"],
        prelude = "model",
        tags = ["slow"],
    )
    for name in ["a", "c"]
]
"""
    INCLUDES = {
        "a/a.cc": ["rcnn/a/a.h", "<string>", "ATen/ops/cat.h"],
        "a/a.h": ["ATen/core/Tensor.h", "rcnn/a/a.h"],
        "a/a_test.cc": ["gtest/gtest.h", "rcnn/a/a.h"],
        "a/c_test.cc": ["gtest/gtest.h", "rcnn/a/c.pb.h"],
    }

    def changes(self, text, **includes):
        default = check_preludes.default_prelude(os.path.join(os.path.dirname(check_preludes.__file__), "..", ".."))
        return list(check_preludes.changes(text, "a", default, lambda path: {**self.INCLUDES, **includes}.get(path, [])))

    def test_sources_need_what_their_headers_include(self):
        self.assertEqual(self.changes(self.BUILD), [
            (3, "a", "tensor", "tensor_core", False),
            (12, "a_test", "model", "tensor_core", False),
            (12, "c_test", "model", "message", False),
        ])

    def test_the_most_expensive_header_decides(self):
        for header, level in (("ATen/ATen.h", "tensor"), ("torch/nn/module.h", "model"), ("ATen/core/grad_mode.h", "core"),
                              ("torch/version.h", "core"), ("google/protobuf/message.h", "message"),
                              ("torch/csrc/autograd/autograd.h", "tensor_core"), ("c10/util/Exception.h", "core")):
            self.assertEqual(check_preludes.needed({"vector", header}), level)
        self.assertEqual(check_preludes.needed({"ATen/ATen.h", "google/protobuf/message.h"}), "tensor")

    def test_examples_need_their_headers_and_includes(self):
        examples = 'rcnn_header_examples(\n    name = "x",\n    hdrs = {"a.h": []},\n    includes = ["<ATen/ATen.h>"],\n)\n'
        self.assertEqual(self.changes(examples), [(1, "x", "core", "tensor", False)])

    def test_a_level_that_is_the_default_is_not_written(self):
        text = self.BUILD.replace("model", "core").replace("visib", 'prelude = "tensor_core",\n    visib')
        none = {"a/a_test.cc": [], "a/c_test.cc": []}
        self.assertEqual(self.changes(text, **none),
                         [(13, "a_test", "core", "core", True), (13, "c_test", "core", "core", True)])

    def test_the_right_level_is_written_where_buildifier_wants_it(self):
        text = check_preludes.changed(self.BUILD, 3, "tensor_core")
        self.assertIn('    hdrs = ["a.h"],\n    prelude = "tensor_core",\n    visibility', text)
        text = check_preludes.changed(text, 13, "core")
        self.assertIn('    srcs = [name + "_test.cc"],\n        prelude = "core",\n        tags', text)
        text = check_preludes.changed(text, 13, None)
        self.assertEqual(check_preludes.changed(text, 3, None), self.BUILD.replace('        prelude = "model",\n', ""))


class FuzzTargetsTest(unittest.TestCase):
    BUILDS = {
        "a/BUILD": 'rcnn_cc_fuzz_test(\n    name = "x_fuzz_test",\n)\n'
                   '[rcnn_cc_fuzz_test(name = "read_{}_fuzz_test".format(kind)) for kind in ["p", "q"]]\n',
        "b/c/BUILD": 'rcnn_cc_test(name = "z_test")\n\nrcnn_cc_fuzz_test(\n    name = "y_fuzz_test",\n)\n',
    }
    PAGE = ("# Page\n\n`//a:v_fuzz_test`\n\n## Readers of bytes from outside\n\n`//a:w_fuzz_test`\n\n| bytes | target |\n"
            "| --- | --- |\n%s\n## Others\n\n| `//a:u_fuzz_test` |\n")

    def problems(self, rows):
        return list(check_fuzz_targets.problems(self.PAGE % rows, check_fuzz_targets.defined(self.BUILDS)))

    def test_one_of_several_targets_of_a_rule_is_enough(self):
        rows = "| x | `//a:x_fuzz_test`, `//b/c:y_fuzz_test` |\n| images | `//a:read_q_fuzz_test` and one for each other |\n"
        self.assertEqual(self.problems(rows), [])

    def test_names_what_is_missing(self):
        self.assertEqual(self.problems("| x | `//a:x_fuzz_test` |\n| q | `//a:read_q_fuzz_test` |\n"), [
            'b/c/BUILD:3: //b/c:y_fuzz_test is missing in the table "Readers of bytes from outside" of docs/reliability.md'])
        rows = "| x | `//a:x_fuzz_test`, `//b/c:y_fuzz_test`, `//a:old_fuzz_test` |\n| q | `//a:read_q_fuzz_test` |\n"
        self.assertEqual(self.problems(rows), ["docs/reliability.md: //a:old_fuzz_test is not a fuzz target"])


class ThreadTestsTest(unittest.TestCase):
    BUILDS = {
        "a/BUILD": 'rcnn_cc_library(\n    name = "x",\n    srcs = ["x.cc"],\n    deps = [":y", "//b"],\n)\n'
                   'rcnn_cc_library(name = "y", hdrs = ["y.h"])\n'
                   'rcnn_cc_test(name = "x_test", srcs = ["x_test.cc"], deps = [":x"])\n',
        "b/BUILD": 'rcnn_cc_library(name = "b", srcs = ["b.cc"])\nrcnn_cc_test(name = "z_test", srcs = ["z_test.cc"])\n',
    }

    def problems(self, listed, *makers):
        return list(check_thread_tests.problems(
            check_thread_tests.read_targets(self.BUILDS), set(listed), set(makers).__contains__))

    def test_a_test_that_makes_threads_must_be_listed(self):
        self.assertEqual(self.problems(["//b:z_test"], "b/z_test.cc"), [])
        self.assertEqual(self.problems([], "b/z_test.cc"), [
            "b/BUILD:2: //b:z_test is missing in thread_tests of tools/developer/BUILD: b/z_test.cc makes threads"])

    def test_so_must_one_whose_library_does(self):
        self.assertEqual(self.problems(["//a:x_test"], "a/x.cc"), [])
        self.assertIn("a/BUILD:7: //a:x_test is missing in thread_tests of tools/developer/BUILD: a/x.cc makes threads",
                      self.problems([], "a/x.cc"))

    def test_another_library_needs_a_listed_test_of_what_uses_it(self):
        self.assertEqual(self.problems(["//a:x_test"], "a/y.h", "b/b.cc"), [])
        self.assertEqual(self.problems(["//b:z_test"], "a/y.h"), [
            "a/BUILD:6: no test in thread_tests of tools/developer/BUILD is of //a:y or of what uses it: a/y.h makes threads"])

    def test_a_listed_target_must_be_a_test(self):
        self.assertEqual(self.problems(["//a:old_test"]), ["tools/developer/BUILD: thread_tests: //a:old_test is not a test"])

    def test_comments_make_no_threads(self):
        with tempfile.TemporaryDirectory() as folder:
            for text, makes in (("// std::thread\nint x;", False), ("std::vector<std::thread> threads;", True), ("ParallelFor(n, f);", True)):
                path = os.path.join(folder, "a.cc")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
                self.assertEqual(check_thread_tests.file_makes_threads(path), makes, text)


class MessagesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.source = os.path.join(folder.name, "a.cc")
        with open(self.source, "w", encoding="utf-8") as file:
            file.write('Error(StrCat("cannot open \\"", name,\n  "\\": it is "\n  "locked")); // not printed')

    def test_strings_are_joined_as_the_compiler_joins_them(self):
        self.assertIsNone(check_messages.defect_of_message('cannot open "…": it is locked', [self.source]))

    def test_other_words_comments_and_messages_across_values_are_not_found(self):
        for message in ('cannot open "…": it is gone', "not printed at all", 'cannot open "x": it is locked'):
            self.assertIn("stands in no string", check_messages.defect_of_message(message, [self.source]))

    def test_a_message_needs_a_source_and_words(self):
        self.assertIn("no source", check_messages.defect_of_message("cannot open", []))
        self.assertIn("too short", check_messages.defect_of_message("…: …", [self.source]))

    def test_sources_are_those_linked_up_to_the_next_block_or_heading(self):
        page = documentation.Document("docs/t.md", "```message\none\n```\n[a](../a.cc) [b](b.md)\n## Next\n[c](../c.cc)\n")
        self.assertEqual(list(check_messages.messages(page)), [(2, "one", ["a.cc"])])


class ReadmeTest(unittest.TestCase):
    def test_only_arguments_of_the_first_kind_that_fits_are_added(self):
        line = run_readme_commands.shell_line("./bazelw run //training:stage_scheduler")
        self.assertTrue(line.startswith("./bazelw run //training:stage_scheduler -- '--set=stages.rpn1."))
        self.assertEqual(run_readme_commands.shell_line("./bazelw run //base:runtime_info"),
                         "./bazelw run //base:runtime_info")

    def test_an_unknown_placeholder_and_an_unknown_command_fail(self):
        for command in ("./bazelw run //a:b -- --in=PATH/TO/NOWHERE", "make all"):
            with self.assertRaises(SystemExit) as failure:
                run_readme_commands.check_own(command)
            self.assertIn("not known here", str(failure.exception))


class WordsTest(unittest.TestCase):
    def found(self, text, path="a.cc"):
        return [(line, word) for line, word, _ in check_words.words(path, text)]

    def test_names_the_line_and_the_word(self):
        self.assertEqual(self.found("// An image.\n// A picture.\n"), [(2, "picture")])

    def test_finds_words_that_are_wrapped(self):
        self.assertEqual(self.found("  // Training goes\n  // on at iteration 3.\n"), [(1, "goes on at")])

    def test_finds_riddles_by_negation(self):
        self.assertEqual(self.found("// 'x' is no number.\n// It is no longer used; there are no boxes.\n"),
                         [(1, "is no number")])

    def test_flags_and_paths_keep_their_names(self):
        self.assertEqual(self.found("--pictures=x and my/pictures and num_pictures\n"), [])

    def test_finds_names_that_end_in_of(self):
        self.assertEqual(self.found("int SizeOf(int x);\nfeatures.Of(batch);\n"), [(1, "SizeOf"), (2, "Of")])
        self.assertEqual(self.found("AllOf(HasSubstr(a)), sizeof(b)\n"), [])
        self.assertEqual(self.found("SizeOf(x)\n", "page.md"), [])

    def test_finds_retired_phrases_in_names(self):
        self.assertEqual(self.found("TEST(Sum, OfNothingIsZero)\nTEST(Parse, AnAreaThatIsNoNumber)\n"),
                         [(1, "OfNothingIsZero"), (2, "AnAreaThatIsNoNumber")])
        self.assertEqual(self.found("TEST(Plot, WhereThereIsNoNumber)\nIsNotFinite(x)\n"), [])

    def test_the_glossary_may_name_them(self):
        page = "A picture.\n\n## Words\n\n| image | picture |\n\n## Commits\n\nA thing.\n"
        self.assertEqual(self.found(page, "CONTRIBUTING.md"), [(1, "picture"), (9, "thing")])


if __name__ == "__main__":
    unittest.main()
