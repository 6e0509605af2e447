#include "rcnn/training/trainer/running_means.h"

#include <ATen/core/Tensor.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace rcnn::training {
namespace {

// The first value is not added to 0, which would lose the sign of -0.
void AddTo(double value, double* sum, int64_t* count) {
  *sum = *count == 0 ? value : *sum + value;
  ++*count;
}

}  // namespace

RunningMeans::Sum& RunningMeans::Find(absl::string_view name) {
  for (Sum& sum : sums_) {
    if (sum.name == name) return sum;
  }
  sums_.push_back({std::string(name)});
  return sums_.back();
}

void RunningMeans::Add(absl::string_view name, double value) {
  Sum& sum = Find(name);
  AddTo(value, &sum.sum, &sum.count);
}

void RunningMeans::AddUnread(absl::string_view name, const at::Tensor& scalar) {
  Find(name).unread.push_back(scalar.detach());
}

void RunningMeans::ReadAll() {
  for (Sum& sum : sums_) {
    for (const at::Tensor& scalar : sum.unread) {
      AddTo(scalar.cpu().item<double>(), &sum.sum, &sum.count);
    }
    sum.unread.clear();
  }
}

std::vector<std::pair<std::string, double>> RunningMeans::Take() {
  ReadAll();
  std::vector<std::pair<std::string, double>> means;
  for (const Sum& sum : sums_) {
    means.emplace_back(sum.name, sum.sum / static_cast<double>(sum.count));
  }
  sums_.clear();
  return means;
}

std::string RunningMeans::Text() {
  ReadAll();
  std::string text;
  for (const Sum& sum : sums_) {
    absl::StrAppend(&text, sum.name, " ", absl::StrFormat("%.17g", sum.sum), " ", sum.count, "\n");
  }
  return text;
}

absl::Status RunningMeans::Restore(absl::string_view text) {
  std::vector<Sum> sums;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    Sum sum;
    if (words.size() != 3 || !absl::SimpleAtod(words[1], &sum.sum) ||
        !absl::SimpleAtoi(words[2], &sum.count) || sum.count < 1) {
      return absl::InvalidArgumentError(absl::StrCat("'", line, "' is not a sum of measurements"));
    }
    sum.name = words[0];
    sums.push_back(std::move(sum));
  }
  sums_ = std::move(sums);
  return absl::OkStatus();
}

}  // namespace rcnn::training
