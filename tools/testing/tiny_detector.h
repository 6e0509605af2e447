// A small, untrained detector that has detections on most images.

#ifndef RCNN_TOOLS_TESTING_TINY_DETECTOR_H_
#define RCNN_TOOLS_TESTING_TINY_DETECTOR_H_

#include <string>

namespace rcnn::tools::testing {

// Writes its model directory; CHECK-fails if it cannot. Its classes are "red", "white"
// and "platelet"; it returns at most 20 detections per image, with scores above 0.05.
void WriteTinyDetector(const std::string& directory);

}  // namespace rcnn::tools::testing

#endif  // RCNN_TOOLS_TESTING_TINY_DETECTOR_H_
