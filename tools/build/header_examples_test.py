"""Tests of header_examples.py: what is an example, and the source that it becomes."""

import unittest

import header_examples

HEADER = """// Adds.
//
// Example:
//   const int three = Add(1, 2);
//
//   for (int i = 0; i < three; ++i) {
//     Use(i);
//   }
//
// It is fast.

namespace rcnn::data {

class Sum {
  // Example, of a member:
  //   sum.Add(3);
  void Add(int a);
};

}  // namespace rcnn::data
"""


class ExamplesTest(unittest.TestCase):
    def test_an_example_is_the_indented_block_after_its_mark(self):
        self.assertEqual(list(header_examples.examples(HEADER)), [
            (4, ["const int three = Add(1, 2);", "", "for (int i = 0; i < three; ++i) {", "  Use(i);", "}"]),
            (16, ["sum.Add(3);"]),
        ])

    def test_a_table_or_another_word_is_no_example(self):
        self.assertEqual(list(header_examples.examples("// Kinds:\n//   a  b\n// Examples of it:\n//   a\n")), [])

    def test_a_mark_has_one_of_two_forms_and_code(self):
        for text in ("// Example: Add(1, 2)\n", "// Example: one. Two:\n//   Add(1, 2);\n",
                     "// Example:\n// Add(1, 2);\n", "// Example:\n\nint a;\n"):
            with self.assertRaises(header_examples.ExampleError) as error:
                list(header_examples.examples(text))
            self.assertIn("line 1", str(error.exception))


class DefinitionTest(unittest.TestCase):
    def test_definitions_stand_outside_of_functions(self):
        for code in ("int main(int argc, char** argv) {\n  return 0;\n}", "struct A {\n};",
                     "template <typename T>\nvoid F(T x) {}", 'DEFINE_string(input, "", "A {file};");',
                     "at::Tensor F(const at::Tensor& x,\n             int y) {\n  return x;\n}",
                     "TEST(A, B) {\n}", "TORCH_LIBRARY_FRAGMENT(rcnn, m) {\n}", "int F() const {\n}"):
            self.assertTrue(header_examples.begins_with_definition(code), code)

    def test_statements_stand_in_functions(self):
        for code in ("Progress progress(a, b);", "for (int i : {1, 2}) {\n}", "if (a) {\n}", "while (a) {\n}",
                     "Options options = {.a = 1};", "auto f = [](int a) {\n};", "Catch([&] { return 1; });",
                     "// The text (of a comment) {\nint a;", 'Print("f() {");', "static const Folder folder;"):
            self.assertFalse(header_examples.begins_with_definition(code), code)


class SourceTest(unittest.TestCase):
    def test_each_example_is_a_function_in_the_namespace_of_its_header(self):
        source = header_examples.source([("data/sum.h", HEADER, "extern Sum sum;")], ["<cstdio>", "rcnn/base/use.h"])
        self.assertIn('#include <cstdio>\n#include "rcnn/base/use.h"\n#include "rcnn/data/sum.h"\n', source)
        self.assertIn("namespace rcnn::data::example_2 {\nextern Sum sum;\ninline absl::Status Example() {\n"
                      '#line 16 "data/sum.h"\nsum.Add(3);\nreturn absl::OkStatus();\n}\n}\n', source)
        self.assertNotIn("status_macros", source)

    def test_a_definition_becomes_no_function(self):
        source = header_examples.source([("a.h", "// Example:\n//   int main() {\n//   }\n", "")], [])
        self.assertIn('namespace rcnn::example_1 {\n#line 2 "a.h"\nint main() {\n}\n}\n', source)
        self.assertNotIn("Example()", source)

    def test_the_macros_for_errors_are_included_where_they_are_used(self):
        header = "// Example:\n//   RCNN_RETURN_IF_ERROR(Write());\n"
        self.assertIn('#include "rcnn/base/status_macros.h"\n', header_examples.source([("a.h", header, "")], []))

    def test_errors_name_the_header(self):
        for text in ("// Adds.\n", "// Example: x\n"):
            with self.assertRaises(header_examples.ExampleError) as error:
                header_examples.source([("data/a.h", text, "")], [])
            self.assertIn("data/a.h: ", str(error.exception))


if __name__ == "__main__":
    unittest.main()
