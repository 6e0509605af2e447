#include "rcnn/ops/check.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "rcnn/base/not_finite_error.h"
#include "rcnn/base/target_clones.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::ops {
namespace {

// The sum of x * 0 is 0 unless some x is NaN or infinite. Separate lanes leave the order of
// additions open, so that the loop can be vectorised.
template <typename T>
RCNN_LOOP bool AllFiniteLoop(const T* values, int64_t count) {
  constexpr int64_t kLanes = 32;
  T lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += values[i + lane] * T{0};
  }
  T sum{0};
  for (; i < count; ++i) sum += values[i] * T{0};
  for (const T lane : lanes) sum += lane;
  return sum == T{0};
}

// 0 <= side <= max is false for NaN, and finite differences need finite corners.
template <typename T>
RCNN_LOOP bool AreBoxesLoop(const T* boxes, int64_t count) {
  constexpr T kMax = std::numeric_limits<T>::max();
  int32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) {
    const T width = boxes[4 * i + 2] - boxes[4 * i];
    const T height = boxes[4 * i + 3] - boxes[4 * i + 1];
    bad |= !(width >= 0) | !(width <= kMax) | !(height >= 0) | !(height <= kMax);
  }
  return bad == 0;
}

RCNN_LOOP bool AllWithinLoop(const int64_t* values, int64_t count, int64_t low, int64_t high) {
  int32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) bad |= (values[i] < low) | (values[i] > high);
  return bad == 0;
}

RCNN_TARGET_CLONES(bool, AllFinite, AllFiniteLoop, (const float* values, int64_t count),
                   (values, count));
RCNN_TARGET_CLONES(bool, AllFinite, AllFiniteLoop, (const double* values, int64_t count),
                   (values, count));
RCNN_TARGET_CLONES(bool, AreBoxes, AreBoxesLoop, (const float* boxes, int64_t count),
                   (boxes, count));
RCNN_TARGET_CLONES(bool, AreBoxes, AreBoxesLoop, (const double* boxes, int64_t count),
                   (boxes, count));
RCNN_TARGET_CLONES(bool, AllWithin, AllWithinLoop,
                   (const int64_t* values, int64_t count, int64_t low, int64_t high),
                   (values, count, low, high));

// The values of a CPU tensor as the kernels above read them.
at::Tensor Readable(const at::Tensor& tensor) { return tensor.detach().contiguous(); }

void CheckDefined(const at::Tensor& tensor, const char* name) {
  TORCH_CHECK(tensor.defined(), name, ": is an undefined tensor");
}

bool IsAnySize(const c10::SymInt& size) { return !size.is_symbolic() && size < 0; }

std::string ShapeText(c10::SymIntArrayRef shape) {
  std::ostringstream text;
  text << '[';
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text << ", ";
    if (IsAnySize(shape[i])) {
      text << '*';
    } else {
      text << shape[i];
    }
  }
  text << ']';
  return text.str();
}

const char* DtypeText(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    case at::kLong:
      return "int64";
    case at::kInt:
      return "int32";
    case at::kByte:
      return "uint8";
    case at::kBool:
      return "bool";
    default:
      return c10::toString(dtype);
  }
}

// Up to eight values of a row, with enough digits to identify a float.
template <typename T>
std::string RowText(const T* row, int64_t size) {
  constexpr int64_t kShown = 8;
  std::ostringstream text;
  text.precision(std::numeric_limits<T>::max_digits10);
  text << '(';
  for (int64_t i = 0; i < std::min(size, kShown); ++i) text << (i > 0 ? ", " : "") << row[i];
  text << (size > kShown ? ", ...)" : ")");
  return text.str();
}

// Why (x1, y1, x2, y2) is not a box, or nullptr.
template <typename T>
const char* BoxFault(const T* box) {
  for (int i = 0; i < 4; ++i) {
    if (!std::isfinite(box[i])) return "not finite";
  }
  if (box[2] < box[0]) return "x2 < x1";
  if (box[3] < box[1]) return "y2 < y1";
  if (!std::isfinite(box[2] - box[0])) return "the width overflows";
  if (!std::isfinite(box[3] - box[1])) return "the height overflows";
  return nullptr;
}

// Integers always are.
template <typename T>
bool IsFinite(T value) {
  return std::isfinite(static_cast<double>(value));
}

template <typename T>
[[noreturn]] void ThrowRow(const at::Tensor& tensor, const char* name, int64_t row, const T* values,
                           int64_t size, const std::string& fault) {
  const std::string message = c10::str(name, ": row ", row, " is ", RowText(values, size), ": ",
                                       fault, " (", name, " is ", Describe(tensor), ")");
  const bool is_finite = std::all_of(values, values + size, IsFinite<T>);
  if (!is_finite) ThrowNotFinite(message);
  TORCH_CHECK(false, message);
}

template <typename T>
int64_t FirstFaultyBox(const T* boxes, int64_t count) {
  if (AreBoxes(boxes, count)) return -1;
  int64_t row = 0;
  while (BoxFault(boxes + 4 * row) == nullptr) ++row;
  return row;
}

template <typename T>
void CheckBoxValues(const at::Tensor& boxes, const char* name) {
  const T* data = boxes.data_ptr<T>();
  const int64_t row = FirstFaultyBox(data, boxes.size(0));
  if (row < 0) return;
  ThrowRow(boxes, name, row, data + 4 * row, 4, BoxFault(data + 4 * row));
}

template <typename T>
void CheckAreaValues(const at::Tensor& boxes, const char* name, bool inclusive) {
  constexpr T kMax = std::numeric_limits<T>::max() / 2;
  const T extra = inclusive ? T{1} : T{0};
  const T* data = boxes.data_ptr<T>();
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    const T* box = data + 4 * i;
    const T area = (box[2] - box[0] + extra) * (box[3] - box[1] + extra);
    if (!(area <= kMax)) ThrowRow(boxes, name, i, box, 4, "the area overflows");
  }
}

template <typename T>
void CheckFiniteValues(const at::Tensor& tensor, const char* name) {
  const T* data = tensor.data_ptr<T>();
  if (AllFinite(data, tensor.numel())) return;
  const int64_t row_size = tensor.dim() == 0 ? 1 : tensor.numel() / tensor.size(0);
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    if (std::isfinite(data[i])) continue;
    const int64_t row = i / row_size;
    const T* values = data + row * row_size;
    const std::string fault =
        row_size == 1 ? "not finite" : "not finite at element " + std::to_string(i % row_size);
    ThrowRow(tensor, name, row, values, row_size, fault);
  }
}

void CheckIndexValues(const at::Tensor& tensor, const char* name, int64_t low, int64_t high) {
  const int64_t* data = tensor.data_ptr<int64_t>();
  if (AllWithin(data, tensor.numel(), low, high)) return;
  const int64_t row_size = tensor.dim() == 0 ? 1 : tensor.numel() / tensor.size(0);
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    if (data[i] >= low && data[i] <= high) continue;
    const int64_t row = i / row_size;
    ThrowRow(tensor, name, row, data + row * row_size, row_size,
             "not in [" + std::to_string(low) + ", " + std::to_string(high) + "]");
  }
}

// Whether the values of `tensor` are to be checked.
bool ChecksValues(const at::Tensor& tensor) { return HasValues(tensor) && ValuesAreChecked(); }

void CheckFiniteReadable(const at::Tensor& tensor, const char* name) {
  if (tensor.scalar_type() == at::kDouble) {
    CheckFiniteValues<double>(tensor, name);
  } else {
    CheckFiniteValues<float>(tensor, name);
  }
}

void CheckFloatingPoint(const at::Tensor& tensor, const char* name) {
  CheckDefined(tensor, name);
  TORCH_CHECK(at::isFloatingType(tensor.scalar_type()), name,
              ": expected a floating-point dtype, got ", Describe(tensor));
}

void CheckFiniteAlways(const at::Tensor& tensor, const char* name) {
  CheckFloatingPoint(tensor, name);
  if (!HasValues(tensor) || tensor.numel() == 0) return;
  const bool readable_dtype =
      tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble;
  CheckFiniteReadable(Readable(readable_dtype ? tensor : tensor.to(at::kFloat)), name);
}

void CheckBoxesReadable(const at::Tensor& boxes, const char* name) {
  if (boxes.scalar_type() == at::kDouble) {
    CheckBoxValues<double>(boxes, name);
  } else {
    CheckBoxValues<float>(boxes, name);
  }
}

}  // namespace

std::string Describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  return ShapeText(tensor.sym_sizes()) + " " + DtypeText(tensor.scalar_type()) + " on " +
         tensor.device().str();
}

bool IsTraced(const at::Tensor& tensor) {
  static const c10::DispatchKeySet stand_ins(
      {c10::DispatchKey::Python, c10::DispatchKey::Functionalize,
       c10::DispatchKey::FuncTorchBatched, c10::DispatchKey::FuncTorchGradWrapper});
  return tensor.unsafeGetTensorImpl()->key_set().has_any(stand_ins);
}

bool HasValues(const at::Tensor& tensor) { return tensor.is_cpu() && !IsTraced(tensor); }

bool HasKnownSizes(const at::Tensor& tensor) {
  return !tensor.unsafeGetTensorImpl()->has_symbolic_sizes_strides();
}

int64_t FixedSize(const at::Tensor& tensor, int64_t dim) {
  return tensor.sym_size(dim).guard_int(__FILE__, __LINE__);
}

void CheckShape(const at::Tensor& tensor, const char* name, c10::SymIntArrayRef shape) {
  CheckDefined(tensor, name);
  TORCH_CHECK(tensor.layout() == at::kStrided, name, ": expected a dense tensor, got ",
              Describe(tensor), ", sparse");
  bool fits = tensor.dim() == static_cast<int64_t>(shape.size());
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    fits = IsAnySize(shape[i]) || tensor.sym_size(static_cast<int64_t>(i)) == shape[i];
  }
  TORCH_CHECK(fits, name, ": expected shape ", ShapeText(shape), ", got ", Describe(tensor));
}

void CheckDtype(const at::Tensor& tensor, const char* name,
                std::initializer_list<at::ScalarType> dtypes) {
  CheckDefined(tensor, name);
  for (const at::ScalarType dtype : dtypes) {
    if (tensor.scalar_type() == dtype) return;
  }
  std::string expected;
  for (const at::ScalarType dtype : dtypes) {
    expected += (expected.empty() ? "" : "|") + std::string(DtypeText(dtype));
  }
  TORCH_CHECK(false, name, ": expected dtype ", expected, ", got ", Describe(tensor));
}

void CheckSameDevice(const at::Tensor& tensor, const char* name, const at::Tensor& other,
                     const char* other_name) {
  CheckDefined(tensor, name);
  CheckDefined(other, other_name);
  TORCH_CHECK(tensor.device() == other.device(), name, ": is ", Describe(tensor),
              ", on another device than ", other_name, ", which is ", Describe(other));
}

void CheckSameDtypeAndDevice(const at::Tensor& tensor, const char* name, const at::Tensor& other,
                             const char* other_name) {
  CheckSameDevice(tensor, name, other, other_name);
  TORCH_CHECK(tensor.scalar_type() == other.scalar_type(), name, ": is ", Describe(tensor),
              ", of another dtype than ", other_name, ", which is ", Describe(other));
}

void CheckSameLength(const at::Tensor& tensor, const char* name, const at::Tensor& other,
                     const char* other_name) {
  CheckDefined(tensor, name);
  CheckDefined(other, other_name);
  TORCH_CHECK(tensor.dim() > 0 && other.dim() > 0 && tensor.sym_size(0) == other.sym_size(0), name,
              ": is ", Describe(tensor), ", not as long as ", other_name, ", which is ",
              Describe(other));
}

void CheckFinite(const at::Tensor& tensor, const char* name) {
  CheckFloatingPoint(tensor, name);
  if (ChecksValues(tensor)) CheckFiniteAlways(tensor, name);
}

void CheckIndices(const at::Tensor& tensor, const char* name, int64_t low, int64_t high) {
  CheckDtype(tensor, name, {at::kLong});
  if (!HasValues(tensor) || tensor.numel() == 0) return;
  CheckIndexValues(Readable(tensor), name, low, high);
}

void CheckRowIndices(const at::Tensor& tensor, const char* name, const at::Tensor& rows) {
  CheckDtype(tensor, name, {at::kLong});
  if (HasValues(tensor)) CheckIndices(tensor, name, 0, rows.size(0) - 1);
}

void CheckNotNegative(const at::Tensor& tensor, const char* name) {
  if (!ChecksValues(tensor)) return;
  const at::Tensor negative = at::nonzero(at::lt(Readable(tensor), 0));
  if (negative.size(0) == 0) return;
  TORCH_CHECK(false, name, ": row ", negative.data_ptr<int64_t>()[0], " is negative (", name,
              " is ", Describe(tensor), ")");
}

void CheckBoxesShape(const at::Tensor& boxes, const char* name) {
  CheckShape(boxes, name, {-1, 4});
  CheckDtype(boxes, name, {at::kFloat, at::kDouble});
}

void CheckBoxes(const at::Tensor& boxes, const char* name) {
  CheckBoxesShape(boxes, name);
  if (!ChecksValues(boxes)) return;
  CheckBoxesReadable(Readable(boxes), name);
}

void CheckBoxAreas(const at::Tensor& boxes, const char* name, bool inclusive) {
  CheckBoxesShape(boxes, name);
  if (!ChecksValues(boxes)) return;
  const at::Tensor readable = Readable(boxes);
  if (boxes.scalar_type() == at::kDouble) return CheckAreaValues<double>(readable, name, inclusive);
  CheckAreaValues<float>(readable, name, inclusive);
}

int64_t FirstInvalidBox(const at::Tensor& boxes) {
  CheckBoxesShape(boxes, "boxes");
  if (!HasValues(boxes)) return -1;
  const at::Tensor readable = Readable(boxes);
  if (boxes.scalar_type() == at::kDouble) {
    return FirstFaultyBox(readable.data_ptr<double>(), boxes.size(0));
  }
  return FirstFaultyBox(readable.data_ptr<float>(), boxes.size(0));
}

void CheckScores(const at::Tensor& scores, const char* name, const at::Tensor& boxes,
                 const char* boxes_name) {
  CheckShape(scores, name, {-1});
  CheckSameLength(scores, name, boxes, boxes_name);
  CheckSameDtypeAndDevice(scores, name, boxes, boxes_name);
  CheckFiniteAlways(scores, name);
}

}  // namespace rcnn::ops
