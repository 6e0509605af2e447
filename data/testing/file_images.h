// A dataset of image files, for tests of what reads or copies files.
//
// Example:
//   const std::unique_ptr<Dataset> dataset = testing::MakeFileImages(folder, 5);

#ifndef RCNN_DATA_TESTING_FILE_IMAGES_H_
#define RCNN_DATA_TESTING_FILE_IMAGES_H_

#include <cstdint>
#include <memory>
#include <string>

#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data::testing {

// Writes images named "0.png", "1.jpg", "2.png", ... of different sizes into `folder`, which is
// created, and returns their annotations, of the classes "cat" (category 7) and "dog" (category
// 3). Image i has i % 3 objects; boxes have fractions, and some objects are crowds or difficult.
AnnotationTable WriteFileImages(const std::string& folder, int64_t count);

// The same as a dataset.
std::unique_ptr<Dataset> MakeFileImages(const std::string& folder, int64_t count);

}  // namespace rcnn::data::testing

#endif  // RCNN_DATA_TESTING_FILE_IMAGES_H_
