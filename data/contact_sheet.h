// One picture of many: samples side by side with their boxes drawn.
//
// To look at a data set before training on it. A class has one colour, a
// difficult or crowd object a thin box and a mark after its name.
//
// Example:
//   Image sheet = ContactSheet(samples, dataset->classes(), {.columns = 4});

#ifndef RCNN_DATA_CONTACT_SHEET_H_
#define RCNN_DATA_CONTACT_SHEET_H_

#include <vector>

#include "rcnn/data/dataset.h"
#include "rcnn/data/image.h"
#include "rcnn/data/sample.h"

namespace rcnn::data {

struct ContactSheetOptions {
  int columns = 4;
  // Longer side of every picture on the sheet, in pixels.
  int tile_px = 360;
};

// A sheet with white between the pictures; without samples, a single white line.
Image ContactSheet(const std::vector<Sample>& samples, const ClassList& classes,
                   const ContactSheetOptions& options = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_CONTACT_SHEET_H_
