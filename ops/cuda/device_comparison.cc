#include "rcnn/ops/cuda/device_comparison.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/util/StringUtil.h>

#include <cmath>
#include <cstddef>
#include <exception>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

constexpr int64_t kMany = 5'000, kManyLarge = 1'000'000, kFew = 300;

std::string Describe(const at::Tensor& tensor) {
  return c10::str(tensor.sizes(), " ", tensor.scalar_type());
}

// Of tensors of one shape and dtype. NaN where one has NaN.
double LargestDifference(const at::Tensor& expected, const at::Tensor& found) {
  if (expected.numel() == 0) return 0;
  const at::Tensor a = expected.to(at::kDouble), b = found.to(at::kDouble);
  const double difference = (a - b).abs().max().item<double>();
  const double scale = expected.is_floating_point() ? a.abs().max().item<double>() : 0;
  return scale > 0 ? difference / scale : difference;
}

DeviceDifference CompareTensors(const at::Tensor& expected, const at::Tensor& found,
                                double tolerance) {
  if (expected.sizes() != found.sizes() || expected.scalar_type() != found.scalar_type()) {
    return {std::numeric_limits<double>::infinity(),
            absl::StrCat(Describe(found), " instead of ", Describe(expected))};
  }
  const double largest = LargestDifference(expected, found);
  const double limit = expected.is_floating_point() ? tolerance : 0;
  // NaN is above every limit.
  if (largest <= limit) return {largest, ""};
  return {largest,
          absl::StrCat(Describe(expected), " differs by ", largest, ", more than ", limit)};
}

DeviceDifference CompareAll(const ComparedOperator& compared,
                            const std::vector<at::Tensor>& expected,
                            const std::vector<at::Tensor>& found) {
  if (compared.difference) {
    const double share = compared.difference(expected, found);
    if (share <= compared.tolerance) return {share, ""};
    return {share, absl::StrCat("differs by ", share, ", more than ", compared.tolerance)};
  }
  DeviceDifference all;
  for (size_t i = 0; i < expected.size(); ++i) {
    const DeviceDifference one = CompareTensors(expected[i], found[i], compared.tolerance);
    all.largest = LargerDifference(all.largest, one.largest);
    if (!one.problem.empty()) return {one.largest, absl::StrCat("result ", i, ": ", one.problem)};
  }
  return all;
}

std::vector<at::Tensor> OnCpu(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& tensor : tensors) copies.push_back(tensor.detach().cpu());
  return copies;
}

}  // namespace

ArgumentDraw::ArgumentDraw(uint64_t seed, int64_t round, bool large)
    : round_(round), many_(large ? kManyLarge : kMany) {
  std::seed_seq sequence = {seed, static_cast<uint64_t>(round)};
  random_.seed(sequence);
  generator_ = at::detail::createCPUGenerator(random_());
}

int64_t ArgumentDraw::Rows() {
  if (round_ < 2) return round_;
  return round_ == 2 ? many_ : Between(1, 3000);
}

int64_t ArgumentDraw::FewRows() {
  if (round_ < 2) return round_;
  if (round_ == 2) return kFew;
  return Between(0, 7) == 0 ? 0 : Between(1, kFew);
}

int64_t ArgumentDraw::Between(int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random_);
}

at::Tensor ArgumentDraw::Boxes(int64_t rows, at::ScalarType dtype) {
  return testing::RandomBoxes(rows, generator_).to(dtype);
}

at::Tensor ArgumentDraw::Normal(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::randn(sizes, generator_, at::kDouble).to(dtype);
}

at::Tensor ArgumentDraw::Mask(int64_t rows, double share) {
  return at::rand({rows}, generator_, at::kDouble).lt(share);
}

double LargerDifference(double a, double b) { return std::isnan(a) || a > b ? a : b; }

DeviceDifference CompareWithCpu(const ComparedOperator& compared, const c10::Device& device,
                                ArgumentDraw& draw) {
  try {
    const DeviceCall call = compared.draw(draw);
    const std::vector<at::Tensor> expected = OnCpu(call(c10::Device(c10::DeviceType::CPU)));
    return CompareAll(compared, expected, OnCpu(call(device)));
  } catch (const std::exception& error) {
    return {std::numeric_limits<double>::infinity(), error.what()};
  }
}

at::Tensor MakeLeaf(const at::Tensor& values, const c10::Device& device) {
  at::Tensor leaf = values.detach().to(device);
  leaf.requires_grad_();
  return leaf;
}

at::Tensor TakeGradient(const at::Tensor& leaf) {
  return leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf.detach());
}

}  // namespace rcnn::ops
