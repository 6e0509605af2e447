// Images of a ground truth by their files, for a report.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckImagesFolder(truth, "val2017"), "--images");
//   input.load_image = FileImages(truth, "val2017");

#ifndef RCNN_EVAL_HTML_FILE_IMAGES_H_
#define RCNN_EVAL_HTML_FILE_IMAGES_H_

#include <string>

#include "absl/status/status.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/html/example_figure.h"

namespace rcnn::eval {

// kNotFound, naming the first image, if the folder holds none of the images; some of them
// are enough. A folder "" passes.
absl::Status CheckImagesFolder(const GroundTruth& truth, const std::string& folder);

// The paths of GroundTruthImage::file are relative to `folder`; "" uses them
// unchanged. Empty (no images) if `folder` is "" and no image's file exists.
// `truth` must outlive the result. kInvalidArgument for a path that leads out of the
// folder or an image without a name; errors of reading name the file.
LoadImageFunction FileImages(const GroundTruth& truth, const std::string& folder);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_FILE_IMAGES_H_
