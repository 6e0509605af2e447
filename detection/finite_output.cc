#include "rcnn/detection/finite_output.h"

#include <ATen/ops/bitwise_and.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sum.h>

#include "rcnn/ops/check.h"

namespace rcnn::detection {

at::Tensor CheckFiniteOutput(const at::Tensor& values, const char* name) {
  if (!values.is_cpu()) return AllFinite(values);
  ops::CheckFinite(values, name);
  return {};
}

// x * 0 is 0 unless x is NaN or infinite.
at::Tensor AllFinite(const at::Tensor& values) {
  return at::eq(at::sum(at::mul(values.detach(), 0)), 0);
}

at::Tensor BothFinite(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() ? at::bitwise_and(a, b) : at::Tensor();
}

}  // namespace rcnn::detection
