// A dataset: images by index, with their annotations.
//
// The loader, proposal generation, evaluation and inspection work on it;
// make_dataset.h creates one from its config. Annotations are read and checked
// once, when it is opened, and are available without decoding images. It never
// changes afterwards, and all methods are thread-safe.
//
// Indices are 0 <= index < size(); other indices fail a CHECK.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto dataset, MakeDataset(config, {.data_root = root}));
//   for (int64_t i = 0; i < dataset->size(); ++i) {
//     RCNN_ASSIGN_OR_RETURN(Sample sample, dataset->Load(i));
//   }

#ifndef RCNN_DATA_CORE_DATASET_H_
#define RCNN_DATA_CORE_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

// The classes of a dataset. The object label of names[k] is k + 1.
struct ClassList {
  std::vector<std::string> names;
  // Their ids in a COCO results file: COCO's category ids, else 1, 2, ...
  std::vector<int64_t> category_ids;

  int64_t size() const { return static_cast<int64_t>(names.size()); }

  bool operator==(const ClassList& other) const {
    return names == other.names && category_ids == other.category_ids;
  }
};

class Dataset {
 public:
  virtual ~Dataset() = default;

  // Number of images.
  virtual int64_t size() const = 0;

  virtual const ClassList& classes() const = 0;

  // Names and size of an image; nothing is decoded or read.
  virtual ImageInfo image(int64_t index) const = 0;

  // The annotations of an image; nothing is decoded or read.
  virtual std::vector<Object> objects(int64_t index) const = 0;

  // Reads and decodes an image. Errors name the file: kNotFound, kInvalidArgument (not
  // an image, damaged, or another size than annotated), kResourceExhausted (too many
  // pixels or bytes).
  virtual absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const = 0;

  // The bytes of the image's file, undecoded. kFailedPrecondition for an image without a
  // file, such as a generated one; otherwise the errors of ReadFile, also for a
  // file of more than kMaxImageFileBytes.
  virtual absl::StatusOr<std::string> ReadImageBytes(int64_t index) const;

  // image(), objects() and LoadImage() in one.
  virtual absl::StatusOr<Sample> Load(int64_t index) const;

  // 32 hexadecimal digits over the classes, the list of images with their sizes,
  // and every annotation as it is used (after checks and policy). Equal annotations
  // give equal fingerprints, regardless of file locations. The bytes of the images
  // are not part of it.
  virtual const std::string& fingerprint() const = 0;

  // The defects of the annotations and how they were handled.
  virtual const DefectReport& defects() const = 0;

  // True: Object::box contains the first and the last pixel of the object, as in
  // the code of 2015 (width = x2 - x1 + 1), for models with that box arithmetic;
  // mirroring such a box is x1' = width - 1 - x2. Object::xywh is continuous in any
  // case.
  virtual bool inclusive_boxes() const { return false; }
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_DATASET_H_
