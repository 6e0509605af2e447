// A dataset: images by index, with their annotations.
//
// What the loader, proposal generation, evaluation and inspection work on;
// make_dataset.h makes one from its config. Annotations are read and checked
// once, when it is opened, and are at hand without decoding an image. It never
// changes afterwards: every method may be called from any number of threads.
//
// Indices are 0 <= index < size(); another one is a broken invariant (CHECK).
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset, MakeDataset(config, {.data_root =
//   root})); for (int64_t i = 0; i < dataset->size(); ++i) {
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
  // What a COCO results file calls them: COCO's category ids, else 1, 2, ...
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

  // What is annotated on an image; nothing is decoded or read.
  virtual std::vector<Object> objects(int64_t index) const = 0;

  // Reads and decodes an image. Errors name the file: kNotFound,
  // kInvalidArgument (not an image, damaged, too many pixels, or not of the size
  // that the annotations were made for).
  virtual absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const = 0;

  // image(), objects() and LoadImage() in one.
  virtual absl::StatusOr<Sample> Load(int64_t index) const;

  // 32 hexadecimal digits over the classes, the list of images with their
  // sizes, and every annotation as it is used (after checks and policy). Equal
  // annotations give an equal fingerprint wherever the files lie. The bytes of
  // the images are not part of it.
  virtual const std::string& fingerprint() const = 0;

  // What was wrong with the annotations and what was done about it.
  virtual const DefectReport& defects() const = 0;

  // True: Object::box holds the first and the last pixel of the object, as the
  // code of 2015 has it (width = x2 - x1 + 1), for models with that box algebra;
  // mirroring such a box is x1' = width - 1 - x2. Object::xywh is continuous
  // all the same.
  virtual bool inclusive_boxes() const { return false; }
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_DATASET_H_
