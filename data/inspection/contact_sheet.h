// A contact sheet: one image that shows samples side by side with their boxes.
//
// For looking at a dataset before training on it. Each class has one colour;
// difficult and crowd objects have a thin box and a mark after their name. Names are drawn as
// image_text.h says.
//
// Example:
//   Image sheet = ContactSheet(samples, dataset->classes(), {.columns = 4});

#ifndef RCNN_DATA_INSPECTION_CONTACT_SHEET_H_
#define RCNN_DATA_INSPECTION_CONTACT_SHEET_H_

#include <vector>

#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

struct ContactSheetOptions {
  int columns = 4;
  // Longer side of every image on the sheet, in pixels.
  int tile_px = 360;
};

// Returns a sheet with white between the images; without samples, a single white
// line.
Image ContactSheet(const std::vector<Sample>& samples, const ClassList& classes,
                   const ContactSheetOptions& options = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_INSPECTION_CONTACT_SHEET_H_
