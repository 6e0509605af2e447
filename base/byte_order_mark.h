// Removes the byte order mark with which some editors start UTF-8 files.
//
// Example:
//   const absl::string_view json = WithoutByteOrderMark(text);

#ifndef RCNN_BASE_BYTE_ORDER_MARK_H_
#define RCNN_BASE_BYTE_ORDER_MARK_H_

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace rcnn {

// Returns `text` without the UTF-8 byte order mark at its beginning, if it has one.
inline absl::string_view WithoutByteOrderMark(absl::string_view text) {
  return absl::StripPrefix(text, "\xef\xbb\xbf");
}

}  // namespace rcnn

#endif  // RCNN_BASE_BYTE_ORDER_MARK_H_
