#include "rcnn/eval/pairwise_sum.h"

#include <cstddef>

namespace rcnn::eval {
namespace {

// Elements that numpy's iterator hands to the summing loop at a time.
constexpr size_t kBuffer = 8192;
constexpr size_t kBlock = 128;
constexpr size_t kLanes = 8;

double SumOfFew(absl::Span<const double> values) {
  double sum = 0.0;
  for (double value : values) sum += value;
  return sum;
}

double SumOfBlock(absl::Span<const double> values) {
  double r[kLanes];
  for (size_t j = 0; j < kLanes; ++j) r[j] = values[j];
  const size_t whole = values.size() - values.size() % kLanes;
  for (size_t i = kLanes; i < whole; i += kLanes) {
    for (size_t j = 0; j < kLanes; ++j) r[j] += values[i + j];
  }
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (size_t i = whole; i < values.size(); ++i) sum += values[i];
  return sum;
}

double PairwiseSum(absl::Span<const double> values) {
  if (values.size() < kLanes) return SumOfFew(values);
  if (values.size() <= kBlock) return SumOfBlock(values);
  const size_t half = values.size() / 2;
  const size_t left = half - half % kLanes;
  return PairwiseSum(values.first(left)) + PairwiseSum(values.subspan(left));
}

}  // namespace

double NumpySum(absl::Span<const double> values) {
  double sum = 0.0;
  for (size_t i = 0; i < values.size(); i += kBuffer) {
    sum += PairwiseSum(values.subspan(i, kBuffer));
  }
  return sum;
}

double NumpyMean(absl::Span<const double> values) {
  return NumpySum(values) / static_cast<double>(values.size());
}

void StreamedNumpyMean::Add(double value) {
  if (buffer_.size() == kBuffer) {
    sum_ += PairwiseSum(buffer_);
    buffer_.clear();
  }
  buffer_.reserve(kBuffer);
  buffer_.push_back(value);
  ++count_;
}

double StreamedNumpyMean::Mean() const {
  return (sum_ + PairwiseSum(buffer_)) / static_cast<double>(count_);
}

}  // namespace rcnn::eval
