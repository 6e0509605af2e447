// Options of box coding, for box_coder.h, proposals.h and the kernels.

#ifndef RCNN_OPS_KERNELS_BOX_CODER_OPTIONS_H_
#define RCNN_OPS_KERNELS_BOX_CODER_OPTIONS_H_

#include <array>

namespace rcnn::ops {

struct BoxCoderOptions {
  // Factors of (dx, dy, dw, dh), > 0.
  std::array<double, 4> weights = {1, 1, 1, 1};
  // Subtracted after weighting, and divided by; stddev > 0.
  std::array<double, 4> mean = {0, 0, 0, 0};
  std::array<double, 4> stddev = {1, 1, 1, 1};
  // Decoding clamps dw and dh to at most this. The default is log(1000 / 16). Infinity
  // sets no limit.
  double max_log_scale = 4.135166556742356;
  // The box arithmetic of 2015, in which x2 and y2 are the last pixel inside the
  // box: w = x2 - x1 + 1. Encoding and decoding then have the centre x1 + w / 2.
  bool inclusive = false;
  // Inclusive only. true: decoding is the inverse of encoding. false: decoded x2
  // and y2 are one pixel larger, as in the code of 2015, with which the published
  // models were evaluated.
  bool exact_inverse = true;
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_BOX_CODER_OPTIONS_H_
