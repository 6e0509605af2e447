// Images of a ground truth by their files, for a report.
//
// Example: input.load_image = FileImages(truth, "val2017");

#ifndef RCNN_EVAL_HTML_FILE_IMAGES_H_
#define RCNN_EVAL_HTML_FILE_IMAGES_H_

#include <string>

#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/html/example_figure.h"

namespace rcnn::eval {

// The paths of GroundTruthImage::file are relative to `folder`; "" uses them
// unchanged. Empty (no images) if `folder` is "" and the first image's file does not
// exist.
// `truth` must outlive the result. kInvalidArgument for a path that leads out of the
// folder or an image without a name; errors of reading name the file.
LoadImageFunction FileImages(const GroundTruth& truth, const std::string& folder);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_FILE_IMAGES_H_
