// What a plan needs to know of the training images: how many there are, and how large the
// images and their objects are.
//
// Nothing is decoded. Of large datasets an evenly spread sample of the objects is kept.
//
// Example:
//   const DataFingerprint data = MeasureFingerprint(*train);
//   const double size = ObjectSizes(data, {.shortest_side_px = 300, .longest_side_px = 500})[0];

#ifndef RCNN_TRAINING_PLAN_DATA_FINGERPRINT_H_
#define RCNN_TRAINING_PLAN_DATA_FINGERPRINT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::training {

// An object with the size of its image, in pixels of the stored image.
struct ObjectShape {
  data::Box box;
  double image_width = 0;
  double image_height = 0;
};

struct ClassFrequency {
  std::string name;
  int64_t images = 0;  // with at least one object of the class
  int64_t objects = 0;
};

struct DataFingerprint {
  int64_t images = 0;
  int64_t images_without_objects = 0;
  int64_t objects = 0;
  // Medians over the images, in pixels.
  double shortest_side_px = 0;
  double longest_side_px = 0;
  // The 95th percentile of longest / shortest side.
  double elongation = 1;
  // The median and the largest number of objects in the images that have objects.
  int64_t objects_per_image = 0;
  int64_t most_objects = 0;
  std::vector<ClassFrequency> classes;
  // Objects of all images; of more than kMostShapes an evenly spread sample.
  std::vector<ObjectShape> shapes;
  // Size of all images when decoded, in bytes.
  int64_t decoded_bytes = 0;
};

inline constexpr size_t kMostShapes = 20000;

// Measures `dataset` without decoding images. Crowd regions are not counted as objects.
DataFingerprint MeasureFingerprint(const data::Dataset& dataset);

// The size of the network's input, in pixels: see configs.ResizeConfig.
struct InputScale {
  int shortest_side_px = 0;
  int longest_side_px = 0;
};

// Input pixels per pixel of the stored image.
double ScaleFactor(const ObjectShape& shape, const InputScale& scale);

// Square roots of the areas of data.shapes in the network's input, in pixels, ascending.
std::vector<double> ObjectSizes(const DataFingerprint& data, const InputScale& scale);

// The quantile of ascending values by nearest rank, `fraction` in [0, 1]; 0 without values.
double Quantile(const std::vector<double>& sorted, double fraction);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_DATA_FINGERPRINT_H_
