// One image of a dataset with its annotations.
//
// Plain structs, without tensors: the readers fill them, the loader converts them
// to tensors, evaluation and inspection use them directly.
//
// Boxes are continuous, (x1, y1, x2, y2) in pixels of the decoded image (as stored,
// unless ImageInfo::exif_applied), width x2 - x1 (Dataset::inclusive_boxes() is the
// only exception). Labels are 1..K in the order of the dataset's classes; 0 is the
// background and never the label of an object.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Sample sample, dataset.Load(7));
//   for (const Object& object : sample.objects) {
//     if (!object.crowd) Use(sample.image->data(), object.box, object.label);
//   }

#ifndef RCNN_DATA_CORE_SAMPLE_H_
#define RCNN_DATA_CORE_SAMPLE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rcnn/data/image/image.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::data {

struct Box {
  float x1 = 0;
  float y1 = 0;
  float x2 = 0;
  float y2 = 0;

  float width() const { return x2 - x1; }
  float height() const { return y2 - y1; }

  bool operator==(const Box& other) const {
    return x1 == other.x1 && y1 == other.y1 && x2 == other.x2 && y2 == other.y2;
  }
};

struct Object {
  // Inside the image; width and height are positive if boxes are continuous.
  Box box;
  // The same box in float64 as x, y, width, height, without rounding from a
  // conversion; COCO's metrics are defined on it.
  std::array<double, 4> xywh = {0, 0, 0, 0};
  // In square pixels: COCO's "area" (of the segmentation), else width * height.
  double area = 0;
  // Unique in the dataset: COCO's annotation id, else 1, 2, ... in order.
  int64_t id = 0;
  // 1..K.
  int64_t label = 0;
  // A region with many objects of the class that are not separated (COCO's
  // iscrowd): neither a positive nor a negative example.
  bool crowd = false;
  // Hard to recognise (VOC's difficult): metrics neither require nor penalise its
  // detection.
  bool difficult = false;

  bool operator==(const Object& other) const {
    return box == other.box && xywh == other.xywh && area == other.area && id == other.id &&
           label == other.label && crowd == other.crowd && difficult == other.difficult;
  }
};

struct ImageInfo {
  // Unique in the dataset: COCO's image id, else 1, 2, ... in order.
  int64_t id = 0;
  // The name in the dataset: a VOC image's name without extension ("2007_000027"),
  // COCO's file_name, "shapes-3-000017".
  std::string name;
  // Path of the image's own file; "" for generated images and those in shards.
  std::string path;
  // Size of the decoded image in pixels; transforms do not change it.
  int64_t width = 0;
  int64_t height = 0;
  // True for the mirror image of the image with this id. Set by the loader and by
  // test-time flipping, never by a dataset.
  bool flipped = false;
  // True for a vertically flipped image; only in training batches.
  bool flipped_vertically = false;
  // What the file's EXIF data say; not set if the file was not read.
  std::optional<Orientation> orientation = std::nullopt;
  // The image is turned accordingly when it is decoded; size and boxes are of that view.
  bool exif_applied = false;
};

struct Sample {
  ImageInfo info;
  std::shared_ptr<const Image> image;
  // In the order of the annotations. May be empty: an image without objects.
  std::vector<Object> objects;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_SAMPLE_H_
