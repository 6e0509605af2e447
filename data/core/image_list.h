// A list of images, one name per line: which images of a dataset are used.
//
// train.txt of YOLO's tools, or a part of a split that was written for a run. A name is
// that of an image as the dataset calls it, or a path that ends with it, or the end of
// its path: "a.jpg", "./images/train/a.jpg".
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ImageList list, ImageList::Read("train.txt"));
//   if (list.Contains("train/a.jpg")) std::cout << "train/a.jpg is listed\n";

#ifndef RCNN_DATA_CORE_IMAGE_LIST_H_
#define RCNN_DATA_CORE_IMAGE_LIST_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/annotation_table.h"

namespace rcnn::data {

class ImageList {
 public:
  // Lines may end as on any system, and the text begin with UTF-8's byte order mark.
  static ImageList Parse(absl::string_view text);
  // The bytes of a list's file, in UTF-8 or UTF-16. Errors: those of ToUtf8 (text_encoding.h).
  static absl::StatusOr<ImageList> Decode(absl::string_view bytes);
  // Decodes a file. kInvalidArgument for one without names, and the errors of ReadFile and Decode.
  static absl::StatusOr<ImageList> Read(const std::string& path);

  // Tells the list an image of the dataset. A name of the list that equals it means no other image
  // from then on: "a.jpg" does not mean "night/a.jpg" where there is an "a.jpg".
  void PreferExact(absl::string_view image);

  // Whether the list has this image, given by its name in the dataset.
  bool Contains(absl::string_view image) const;

  const std::vector<std::string>& names() const { return *names_; }

 private:
  // An end of names: "a.jpg", then "train/a.jpg". The nodes form a tree, so that a path is looked
  // up in time that grows with its length alone.
  struct Node {
    // Different names that have this end and are not `exact`.
    int64_t open = 0;
    // It is a whole name.
    bool whole = false;
    // A whole name that equals an image's.
    bool exact = false;
  };

  struct Ends {
    // The first is the empty end.
    std::vector<int64_t> nodes = {0};
    // The last is the whole path.
    bool complete = false;
  };

  void Insert(absl::string_view name);
  // The ends of the path, the shortest first, as far as names have them.
  Ends FindEnds(absl::string_view path) const;

  // Shared, so that the keys below outlive a copy.
  std::shared_ptr<const std::vector<std::string>> names_ =
      std::make_shared<const std::vector<std::string>>();
  // The first is the empty end.
  std::vector<Node> nodes_ = {{}};
  // From a node and the part of a path before its end, a part of one of the names, to the node of
  // the longer end.
  absl::flat_hash_map<std::pair<int64_t, absl::string_view>, int64_t> longer_;
};

// Keeps only the images of the list, and the defects that concern them. A name that equals an
// image's means only this one (ImageList::PreferExact). A listed image that the
// table lacks becomes a defect, unless one of those already reports it. kInvalidArgument if no
// image is left; `list_file` names the list in messages. `renumber`: ids of images and objects
// become 1, 2, ..., so that they do not depend on the images that are left out.
absl::StatusOr<AnnotationTable> SelectImages(ImageList list, const std::string& list_file,
                                             AnnotationTable table, bool renumber);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_IMAGE_LIST_H_
