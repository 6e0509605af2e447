// Finds the elements of a large top-level JSON array without parsing them.
//
// For readers that parse pieces of a file in parallel or name the record of an
// error. It understands only JSON strings and nesting; the parser checks whether
// elements are valid.

#ifndef RCNN_EVAL_JSON_ARRAY_H_
#define RCNN_EVAL_JSON_ARRAY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::eval {

// Splits the contents of an array of objects into pieces of at least `piece_bytes`
// at places that look like the boundary of two elements, "}, {". Each piece is a
// list of elements without the comma after it.
//
// The split is a guess that parsing proves: if every piece in brackets is a valid
// JSON array, then so is the text, and its elements are those of the pieces in
// order. (The first piece starts outside any string and at depth 1; if it is valid,
// so does the next, and so on.) Returns an empty list if the text does not start
// with '[' and end with ']'.
std::vector<absl::string_view> SplitObjectArray(absl::string_view json, int64_t piece_bytes);

// Calls visit(text of element) for each element in order and stops at its first
// error, which gets the context "record N (the first is 0), at byte B". kInvalidArgument for text
// that is not an array, or ends inside a record.
absl::Status ForEachArrayElement(absl::string_view json,
                                 absl::FunctionRef<absl::Status(absl::string_view)> visit);

// Describes the likely problem of text that a parser rejected: "has NaN, which is
// not JSON", or that it is not valid JSON or has a number that is too large.
std::string DescribeJsonError(absl::string_view text);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_JSON_ARRAY_H_
