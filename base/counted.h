// Counts with their noun, in messages and tables of results.
//
// A message that counts something uses these, because the count may be one.
//
// Example:
//   const std::string text = Counted(3, "image");  // "3 images"

#ifndef RCNN_BASE_COUNTED_H_
#define RCNN_BASE_COUNTED_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// Returns `singular` if the count is 1, otherwise `plural`, or `singular` with an s where that is
// empty.
std::string Noun(int64_t count, absl::string_view singular, absl::string_view plural = "");

// "1 image", "12345 images". The noun may bring its verb: ("image is", "images are").
std::string Counted(int64_t count, absl::string_view singular, absl::string_view plural = "");

}  // namespace rcnn

#endif  // RCNN_BASE_COUNTED_H_
