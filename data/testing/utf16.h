// Text as UTF-16, for tests of readers of text.

#ifndef RCNN_DATA_TESTING_UTF16_H_
#define RCNN_DATA_TESTING_UTF16_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn::data {

// As Windows' editors save text.
struct Utf16Options {
  bool big_endian = false;
  bool has_mark = true;  // the byte order mark
};

// `latin1`: one byte for each character.
std::string Utf16(absl::string_view latin1, const Utf16Options& options = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_TESTING_UTF16_H_
