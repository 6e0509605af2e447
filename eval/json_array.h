// Finds the elements of a large top-level JSON array without parsing them.
//
// For readers that parse pieces of a file in parallel or name the record an
// error is in. Knows strings and nesting and nothing else of JSON: whether an
// element is valid is the parser's matter.

#ifndef RCNN_EVAL_JSON_ARRAY_H_
#define RCNN_EVAL_JSON_ARRAY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::eval {

// Cuts the inside of an array of objects into pieces of at least `piece_bytes`
// at places that look like the end of one element and the start of the next,
// "}, {". Each piece is a list of elements without the comma that followed it.
//
// A guess that parsing proves: when every piece, put in brackets, is a valid
// JSON array, then so is the text, and its elements are those of the pieces in
// order. (The first piece starts outside any string and at depth 1; if it is
// valid, so does the next, and so on.) Empty when the text does not begin with
// '[' and end with ']'.
std::vector<absl::string_view> CutArrayOfObjects(absl::string_view json, int64_t piece_bytes);

// Calls visit(text of element) for each element in order and stops at its first
// error, which gets the context "record N (the first is 0), at byte B". kInvalidArgument for text
// that is not an array, or ends inside a record.
absl::Status ForEachArrayElement(absl::string_view json,
                                 absl::FunctionRef<absl::Status(absl::string_view)> visit);

// Says what is probably wrong with text that a parser refused: "has NaN, which
// is not JSON", or that it is no valid JSON or has a number that is too large.
std::string DescribeBadJson(absl::string_view text);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_JSON_ARRAY_H_
