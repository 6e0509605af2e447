// A part of an image with boxes on it, as an HTML figure that needs no other file.
//
// The part is chosen around the boxes in question, so that small objects are
// visible, and scaled to a thumbnail. The boxes are vectors on top of it, sharp at
// any zoom and in the colours of the page. Without an image (missing or unreadable)
// the boxes are drawn on an empty background.
//
// Example:
//   UnreadableImages unreadable;
//   std::vector<std::string> html = DrawFigures(figures, load_image, /*threads=*/0, &unreadable);

#ifndef RCNN_EVAL_HTML_EXAMPLE_FIGURE_H_
#define RCNN_EVAL_HTML_EXAMPLE_FIGURE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/image/image.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/shape_outline.h"

namespace rcnn::eval {

// Loads the image at a position of GroundTruth::images; called from several threads.
// Empty: there are no images.
using LoadImageFunction =
    std::function<absl::StatusOr<std::shared_ptr<const data::Image>>(int64_t image)>;

struct FigureBox {
  XywhBox box;
  // A class of the page's style: "gt" (ground truth), "e0" ... "e5" (error kinds),
  // "ok", "other".
  std::string style;
  // Drawn instead of the box unless it is empty.
  ShapeOutline outline = {};
};

struct ExampleFigure {
  int64_t image = 0;
  // Drawn in this order, each over the ones before.
  std::vector<FigureBox> boxes;
  // The part of the image is chosen around these.
  std::vector<XywhBox> focus;
  // Caption: a heading and a sentence, as HTML, and the name of the image, escaped here.
  std::string heading;
  std::string text;
  std::string file;
  // Attributes data-NAME="VALUE" for filters; values are escaped here.
  std::vector<std::pair<std::string, std::string>> data;
};

// The images that could not be read: their number and the first error.
struct UnreadableImages {
  int64_t count = 0;
  absl::Status first;
  // The first that says nothing about the image (IsUnreadableNow, base/stored_file.h): a page
  // without it would be another one.
  absl::Status now;
};

// One "<figure>" for each, in order. Each image is loaded once, in parallel; those that cannot
// be read are added to `unreadable`. threads: 0 for all cores.
std::vector<std::string> DrawFigures(const std::vector<ExampleFigure>& figures,
                                     const LoadImageFunction& load_image, int threads,
                                     UnreadableImages* unreadable);

// The image's file without its folder, or "image 7" for the id 7 where it has none.
std::string ImageName(const GroundTruth& truth, int64_t image);

// The part of an image, with an aspect ratio of 4 : 3, that shows the boxes and nearly as
// much again around them, at least a fifth of the image and at most all of it. width and
// height: of the image, 0 if unknown.
XywhBox ChoosePart(const std::vector<XywhBox>& focus, double width, double height);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_EXAMPLE_FIGURE_H_
