// The names in a VOC split list, ImageSets/Main/SPLIT.txt.
//
// One name per line, with or without an image's extension. Lists per class and of other
// tasks have columns of numbers after the name. Names can end in numbers too: "dog 0" is an
// image if it is annotated, and otherwise the image "dog" with the label 0.
//
// Example:
//   std::vector<std::string> names = ParseVocSplit(text, is_annotated);

#ifndef RCNN_DATA_VOC_VOC_SPLIT_H_
#define RCNN_DATA_VOC_VOC_SPLIT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn::data {

// The names in the order of the list, without extensions. `text` is UTF-8; lines end as on
// any system. `is_annotated` says whether a name is one of the dataset's: the longest one
// of a line is taken. Without it, or where none is, a last column of -1, 0 or 1 is a label.
std::vector<std::string> ParseVocSplit(
    absl::string_view text, const std::function<bool(const std::string&)>& is_annotated = nullptr);

}  // namespace rcnn::data

#endif  // RCNN_DATA_VOC_VOC_SPLIT_H_
