// Rows of tensors that have some for each image of a batch.
//
// Shapes: B images; N rows of each; P of them are picked.
//
// Example:
//   at::Tensor picked = RowsOfImages(boxes, rows);  // [B, N, 4], [B, P] -> [B, P, 4]

#ifndef RCNN_DETECTION_IMAGE_ROWS_H_
#define RCNN_DETECTION_IMAGE_ROWS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::detection {

// The rows [B, P] or [B, P, C] of `values` [B, N] or [B, N, C] with these numbers in each image,
// `rows` [B, P] int64.
at::Tensor RowsOfImages(const at::Tensor& values, const at::Tensor& rows);

// Of `capacity` rows of each image those beyond its count: [B, capacity] bool, from `counts` [B]
// int64.
at::Tensor BeyondCounts(const at::Tensor& counts, int64_t capacity);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_IMAGE_ROWS_H_
