// Argument checks shared by all operators.
//
// Each throws c10::Error, in Python RuntimeError, with a message that starts with
// the argument's name and gives its shape and dtype and, where a value is at fault,
// the first offending row and its values:
//   boxes: row 7 is (10, 20, 5, 30): x2 < x1 (boxes is [12, 4] float32 on cpu)
//
// Shapes and dtypes are checked on any device, values only where HasValues, since reading
// those of another device would wait for it, and not where the caller says that it has checked
// them (unchecked_values.h); exceptions are marked "always". A contiguous tensor is read in
// place: one pass, no temporaries, 12,000 boxes in about 10 us.
//
// The checks of operators composed from ATen's also run while torch.compile or
// torch.export traces the operator. Its tensors have no values, and sizes may be symbols;
// sizes are compared as such (sym_size).
//
// Example:
//   CheckBoxes(boxes, "boxes");
//   CheckScores(scores, "scores", boxes, "boxes");

#ifndef RCNN_OPS_CHECK_H_
#define RCNN_OPS_CHECK_H_

#include <ATen/core/Tensor.h>
#include <c10/core/SymIntArrayRef.h>

#include <cstdint>
#include <initializer_list>
#include <string>

namespace rcnn::ops {

// "[12, 4] float32 on cpu", for messages.
std::string Describe(const at::Tensor& tensor);

// Whether `tensor`, which is defined, stands for another one in a trace, or in a transform such as
// torch.vmap.
bool IsTraced(const at::Tensor& tensor);

// Whether the elements of `tensor` can be read here: it is on the CPU and not traced.
bool HasValues(const at::Tensor& tensor);

// False where a size of `tensor` is a symbol, so that size() throws.
bool HasKnownSizes(const at::Tensor& tensor);

// size(dim). Where it is a symbol, the trace holds for its present value alone: for sizes that
// do not vary, such as the number of classes.
int64_t FixedSize(const at::Tensor& tensor, int64_t dim);

// `tensor` is defined and has `shape`, in which -1 stands for any size.
void CheckShape(const at::Tensor& tensor, const char* name, c10::SymIntArrayRef shape);

// `tensor` is defined and of one of `dtypes`.
void CheckDtype(const at::Tensor& tensor, const char* name,
                std::initializer_list<at::ScalarType> dtypes);

// `tensor` is on the device of `other`.
void CheckSameDevice(const at::Tensor& tensor, const char* name, const at::Tensor& other,
                     const char* other_name);

// `tensor` is on the device and of the dtype of `other`.
void CheckSameDtypeAndDevice(const at::Tensor& tensor, const char* name, const at::Tensor& other,
                             const char* other_name);

// `tensor` has as many rows, size(0), as `other`. Both have at least one dimension.
void CheckSameLength(const at::Tensor& tensor, const char* name, const at::Tensor& other,
                     const char* other_name);

// `tensor` is floating point and contains no NaN or infinity. A row is one index of
// the first dimension.
void CheckFinite(const at::Tensor& tensor, const char* name);

// `tensor` is int64 and every element is in [low, high]: always, since elements are row numbers.
void CheckIndices(const at::Tensor& tensor, const char* name, int64_t low, int64_t high);

// `tensor` is int64 and every element is the index of a row of `rows`: always.
void CheckRowIndices(const at::Tensor& tensor, const char* name, const at::Tensor& rows);

// No element of `tensor`, already checked to be [N], is below 0.
void CheckNotNegative(const at::Tensor& tensor, const char* name);

// `boxes` is [N, 4] float32|float64; values are not checked.
void CheckBoxesShape(const at::Tensor& boxes, const char* name);

// `boxes` is [N, 4] float32|float64 and every row (x1, y1, x2, y2) is finite, with
// x2 >= x1 and y2 >= y1 and sides that the dtype can hold. N may be 0.
void CheckBoxes(const at::Tensor& boxes, const char* name);

// No area of `boxes`, already checked, is more than half of what the dtype holds,
// so that the union of two is finite. Inclusive areas have sides one longer.
void CheckBoxAreas(const at::Tensor& boxes, const char* name, bool inclusive);

// Returns the first row that CheckBoxes would name, or -1; reads a tensor with values always and
// returns -1 for any other. Throws on a wrong shape or dtype.
int64_t FirstInvalidBox(const at::Tensor& boxes);

// `scores` is [N], with N, dtype and device those of `boxes` [N, 4], and finite: always, since
// they are sorted.
void CheckScores(const at::Tensor& scores, const char* name, const at::Tensor& boxes,
                 const char* boxes_name);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CHECK_H_
