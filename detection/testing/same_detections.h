// Comparisons of the detections of two networks, for tests that they compute the same.

#ifndef RCNN_DETECTION_TESTING_SAME_DETECTIONS_H_
#define RCNN_DETECTION_TESTING_SAME_DETECTIONS_H_

#include "rcnn/detection/detections.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::detection {

// In an image of noise, 96 x 128 pixels, which is always the same.
Detections DetectInNoise(const FasterRcnn& model);

// Boxes, scores and labels have the same bits.
void ExpectSameBits(const Detections& a, const Detections& b);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TESTING_SAME_DETECTIONS_H_
