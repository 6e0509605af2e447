// All dot products of the rows of two float32 matrices: a fully connected layer, or the gradient of
// the weights of a 1 x 1 convolution.
//
// Both operands are packed while they are multiplied (panel_product.h), some of the depth at a
// time, so there is no second copy of a layer's weights, and at most 1.6 MB of scratch for each
// thread. Bias and ReLU are applied while the sums are in registers.
//
// An element is a chain of multiply-adds in chunks of kPanelChunk over the depth. So it has the
// same bits at every level of instructions, for any number of threads, and for any other rows of
// the matrices; no BLAS promises the last.
//
// Example, y [1000, 1024] = x [1000, 12544] weight^T + bias:
//   RowProductOptions options;
//   options.bias = bias.data_ptr<float>();
//   RowProduct({x.data_ptr<float>(), 1000}, {weight.data_ptr<float>(), 1024}, 12544, options,
//              y.data_ptr<float>());

#ifndef RCNN_DETECTION_CONVOLUTION_ROW_PRODUCT_H_
#define RCNN_DETECTION_CONVOLUTION_ROW_PRODUCT_H_

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace rcnn::detection {

// Matrices [count, depth] without gaps, `stride` floats apart.
struct MatrixRows {
  const float* floats = nullptr;
  int64_t count = 0;
  int64_t stride = 0;
};

// Operations on each element of the product, in this order.
struct RowProductOptions {
  const float* bias = nullptr;  // [b.count], added to the columns; null: nothing
  bool relu = false;
  // How many matrices a and b have: c is the sum of their products, of all images of a batch.
  int64_t matrices = 1;
};

// Floats [begin, end) of rows [first, last) of one matrix.
struct RowsPart {
  int64_t matrix;
  int64_t first, last;
  int64_t begin, end;
};

// Writes such a part to `rows`, `stride` floats apart.
using FillRows = absl::FunctionRef<void(const RowsPart& part, float* rows, int64_t stride)>;

// c [a.count, b.count] = a b^T, without gaps, and not the memory of an operand.
// PanelProductAvailable() must hold; options.matrices >= 1. Thread-safe; uses LibTorch's threads.
void RowProduct(const MatrixRows& a, const MatrixRows& b, int64_t depth,
                const RowProductOptions& options, float* c);

// The same with a b that is nowhere in memory: `fill`, which all threads call, computes up to
// sixteen of its rows at a time, and up to 256 floats of each.
void RowProduct(const MatrixRows& a, int64_t b_count, FillRows fill, int64_t depth,
                const RowProductOptions& options, float* c);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_ROW_PRODUCT_H_
