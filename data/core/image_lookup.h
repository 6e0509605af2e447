// Finds images of a folder by the names in annotations.
//
// Extensions match in any case, and an annotation's extension may be wrong or missing.
// A folder is listed only once.
//
// Example:
//   ImageLookup lookup("VOC2007/JPEGImages");
//   lookup.FindByStem("000012");   // {"000012.jpg"}

#ifndef RCNN_DATA_CORE_IMAGE_LOOKUP_H_
#define RCNN_DATA_CORE_IMAGE_LOOKUP_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

class ImageLookup {
 public:
  explicit ImageLookup(std::string folder) : folder_(std::move(folder)) {}

  // The image files whose name without extension is `stem`, which may have folders before
  // it ("sub/000012"), relative to the folder. In order of preference: extensions in lower
  // case before others, .jpg before .jpeg, .png, .bmp, .webp and the rest. Not thread-safe.
  std::vector<std::string> FindByStem(absl::string_view stem);

  // Whether there is such a file, by its exact name.
  bool Has(absl::string_view file);

  // The first error of a folder that could not be listed, unless there is none of that name. Files
  // may then be missing from what the functions above have returned.
  const absl::Status& status() const { return status_; }

 private:
  // File names by their names without extension.
  using Listing = absl::flat_hash_map<std::string, std::vector<std::string>>;

  const Listing& List(const std::string& subfolder);

  const std::string folder_;
  absl::flat_hash_map<std::string, Listing> listings_;
  absl::Status status_;
};

// A name that an annotation gives, without the folders before it: "a.jpg" for "x/a.jpg"
// and for "C:\\x\\a.jpg".
absl::string_view BaseName(absl::string_view name);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_IMAGE_LOOKUP_H_
