// Counts over the annotations of a dataset.
//
// Example:
//   std::cout << ToString(ComputeStatistics(*dataset), dataset->classes());

#ifndef RCNN_DATA_INSPECTION_DATASET_STATISTICS_H_
#define RCNN_DATA_INSPECTION_DATASET_STATISTICS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/base/printable.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

// counts[i] is the number of values in [edges[i - 1], edges[i]); the first and last
// count the values beyond. edges.size() + 1 counts.
struct Histogram {
  explicit Histogram(std::vector<double> sorted_edges)
      : edges(std::move(sorted_edges)), counts(edges.size() + 1, 0) {}

  void Add(double value);

  std::vector<double> edges;
  std::vector<int64_t> counts;
};

struct ClassCounts {
  int64_t objects = 0;  // all objects, including marked ones
  int64_t images = 0;   // images with at least one
  int64_t difficult = 0;
  int64_t crowd = 0;
};

struct DatasetStatistics {
  int64_t images = 0;
  int64_t images_without_objects = 0;
  int64_t objects = 0;
  // By label, starting with label 1.
  std::vector<ClassCounts> classes;
  // Of all objects: square root of width * height, in pixels.
  Histogram sizes = Histogram({8, 16, 32, 64, 96, 128, 256, 512});
  // Of all objects: width / height.
  Histogram aspects = Histogram({0.25, 0.5, 0.8, 1.25, 2, 4});
  // Of all images: number of objects.
  Histogram objects_per_image = Histogram({1, 2, 4, 8, 16, 32, 64});
};

DatasetStatistics ComputeStatistics(const Dataset& dataset);

// The first column of a table by class. Names are escaped for a terminal and shortened, and
// all texts are padded to the width of the widest name.
class ClassColumn {
 public:
  // `classes` outlives the column.
  explicit ClassColumn(const ClassList& classes);

  // The name of class k, counted from 0.
  std::string Name(size_t k) const;
  std::string Pad(absl::string_view text) const { return width_.Pad(text); }

 private:
  const ClassList& classes_;
  NameWidth width_;
};

// Readable tables.
std::string ToString(const DatasetStatistics& statistics, const ClassList& classes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_INSPECTION_DATASET_STATISTICS_H_
