// The side of an image as an annotation file states it.
//
// Tools write it as a whole number, some with a fraction of zero. Any other value says nothing
// about the image, whose own header decides.
//
// Example:
//   const int64_t width = StatedPixels("640.0");  // 640

#ifndef RCNN_DATA_CORE_STATED_SIZE_H_
#define RCNN_DATA_CORE_STATED_SIZE_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rcnn::data {

// In pixels; 0 if it is not a whole number from 1 to 999,999,999.
int64_t StatedPixels(double number);

// Of a number as text, with or without spaces around it.
int64_t StatedPixels(absl::string_view text);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_STATED_SIZE_H_
