#include "rcnn/training/trainer/running_means.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>

#include <map>

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

// Their values, in order. One copy from each device, since each waits for all that the device has
// to do. float64 holds float32 and counts exactly.
std::vector<double> ReadScalars(const std::vector<at::Tensor>& scalars) {
  // Device -> type -> places in `scalars`.
  std::map<std::string, std::map<at::ScalarType, std::vector<size_t>>> groups;
  for (size_t i = 0; i < scalars.size(); ++i) {
    groups[scalars[i].device().str()][scalars[i].scalar_type()].push_back(i);
  }
  std::vector<double> values(scalars.size());
  for (const auto& [device, types] : groups) {
    std::vector<at::Tensor> columns;
    std::vector<size_t> places;
    for (const auto& [type, of_type] : types) {
      std::vector<at::Tensor> rows;
      for (const size_t i : of_type) rows.push_back(scalars[i].reshape({1}));
      columns.push_back(at::cat(rows).to(at::kDouble));
      places.insert(places.end(), of_type.begin(), of_type.end());
    }
    const at::Tensor column = at::cat(columns).cpu();
    for (size_t k = 0; k < places.size(); ++k) values[places[k]] = column.data_ptr<double>()[k];
  }
  return values;
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
  std::vector<at::Tensor> unread;
  for (const Sum& sum : sums_) unread.insert(unread.end(), sum.unread.begin(), sum.unread.end());
  const std::vector<double> values = ReadScalars(unread);
  auto value = values.begin();
  for (Sum& sum : sums_) {
    for (size_t i = 0; i < sum.unread.size(); ++i) AddTo(*value++, &sum.sum, &sum.count);
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
