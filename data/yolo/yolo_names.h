// data.yaml of a YOLO dataset, and the plain lists of class names of other tools.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(YoloYaml yaml, ParseYoloYaml("names: [cat, dog]\ntrain: images\n"));

#ifndef RCNN_DATA_YOLO_YOLO_NAMES_H_
#define RCNN_DATA_YOLO_YOLO_NAMES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

struct YoloYaml {
  // By number. Numbers that a map of names leaves out are called by the number itself.
  std::vector<std::string> names;
  // "path": what the places below are relative to; "" if missing.
  std::string path;
  // "train", "val" (or "valid") and "test", as far as given: folders of images, or
  // lists of them.
  std::map<std::string, std::vector<std::string>> parts;
  // Whether there is a "kpt_shape": lines are boxes followed by keypoints.
  bool keypoints = false;
};

// A larger text is refused.
inline constexpr int64_t kMaxYoloYamlBytes = int64_t{4} << 20;

// kInvalidArgument, with line and column, for what is not YAML, and for what has no
// "names", as a list or as a map from whole numbers, or names that contradict "nc". Also
// for a number of a name that is 1,000 or more above the number of names, for aliases
// that stand for more than four times the text, for more than kMaxYoloYamlBytes, and for more than
// 65,536 characters that begin, end or separate values, plus one for each 128 bytes: memory is at
// most 96 MiB and 16 times the text.
absl::StatusOr<YoloYaml> ParseYoloYaml(absl::string_view text);

// Whether the file is called .yaml or .yml, in any case.
bool IsYamlFile(absl::string_view file);

// One name per line; blank lines are skipped.
std::vector<std::string> ParseYoloNameList(absl::string_view text);

// The same of a file, in UTF-8 or UTF-16. Errors: those of ReadFile, and of ToUtf8
// (data/core/text_encoding.h).
absl::StatusOr<std::vector<std::string>> ReadYoloNameList(const std::string& path);

// The names in the first file of `folder` that has any, in the order data.yaml, other .yaml
// and .yml files, .names files, classes.txt, _darknet.labels. An invalid data.yaml is an
// error; other invalid files are skipped. kNotFound if there is none. Other codes: the folder or
// one of these files cannot be read now, and the names may be in it.
absl::StatusOr<std::vector<std::string>> ReadYoloNames(const std::string& folder);

}  // namespace rcnn::data

#endif  // RCNN_DATA_YOLO_YOLO_NAMES_H_
