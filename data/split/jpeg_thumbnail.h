// A JPEG file in grey at a fraction of its size, decoded without computing the rest.
//
// libjpeg leaves out the coefficients of the fine detail: at an eighth, all but the mean
// of each block of 8 x 8 pixels.

#ifndef RCNN_DATA_SPLIT_JPEG_THUMBNAIL_H_
#define RCNN_DATA_SPLIT_JPEG_THUMBNAIL_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

struct GreyThumbnail {
  int64_t width = 0;
  int64_t height = 0;
  // The image's size at this scale: its last pixels may cover less than a thumbnail's.
  double extent_x = 0;
  double extent_y = 0;
  // width * height, row by row.
  std::vector<uint8_t> pixels;
};

// At an eighth of the size, or a quarter, a half or all of it where the shorter side would
// have less than 34 pixels. kInvalidArgument for what is not a JPEG of grey or YCbCr
// pixels, claims more than `max_pixels`, has more than kMaxJpegScans scans
// (data/image/jpeg_decoder.h), or is damaged so that nothing can be decoded.
absl::StatusOr<GreyThumbnail> DecodeJpegThumbnail(absl::string_view bytes, int64_t max_pixels);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SPLIT_JPEG_THUMBNAIL_H_
