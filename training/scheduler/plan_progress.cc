#include "rcnn/training/scheduler/plan_progress.h"

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/printable.h"

namespace rcnn::training {
namespace {

// With fewer units SecondsPerUnit is not measured.
constexpr int64_t kEnoughMeasured = 5;

}  // namespace

PlanProgress::PlanProgress(std::vector<StageEffort> stages, const ProgressOptions& options)
    : stages_(std::move(stages)), options_(options) {
  options_.plain_interval = absl::Seconds(30);
}

void PlanProgress::Begin(size_t index) {
  End();
  index_ = index;
  first_update_.reset();
  mean_seconds_ = 0;
}

void PlanProgress::Start(int64_t done) {
  if (bar_ != nullptr) return;
  const StageEffort& stage = stages_[index_];
  ProgressOptions options = options_;
  options.unit = stage.unit.empty() ? "" : Noun(0, stage.unit);
  start_ = {options.now(), done};
  last_done_ = done;
  bar_ = std::make_unique<Progress>(
      absl::StrCat("[", index_ + 1, "/", stages_.size(), " ", stage.name, "]"), stage.units, done,
      options);
  ShowTimeLeft(done, "");
  bar_->Show();
}

void PlanProgress::Update(int64_t done, const std::string& note) {
  if (bar_ == nullptr) Start(0);
  Measure(done);
  ShowTimeLeft(done, note);
  bar_->Add(done - last_done_);
  last_done_ = done;
}

double PlanProgress::SecondsBetween(const Point& first, const Point& last) {
  if (last.done <= first.done) return 0;
  return absl::ToDoubleSeconds(last.time - first.time) /
         static_cast<double>(last.done - first.done);
}

void PlanProgress::Measure(int64_t done) {
  const Point now = {options_.now(), done};
  mean_seconds_ = SecondsBetween(start_, now);
  if (!first_update_) first_update_ = now;
  if (done - first_update_->done < kEnoughMeasured) return;
  stages_[index_].seconds_per_unit = SecondsBetween(*first_update_, now);
}

void PlanProgress::ShowTimeLeft(int64_t done, const std::string& note) {
  const absl::optional<absl::Duration> left = TimeLeft(done);
  bar_->SetNote(!left.has_value() ? note
                                  : absl::StrCat(note, note.empty() ? "" : ", ", "all stages eta ",
                                                 HumanDuration(*left)));
}

void PlanProgress::End() {
  if (bar_ != nullptr) bar_->Finish();
  bar_.reset();
}

void PlanProgress::Notice(const std::string& text) {
  if (options_.quiet) return;
  if (bar_ != nullptr) return bar_->Message(text);
  std::fprintf(options_.stream, "%s\n", PrintableMessage(text).c_str());
}

double PlanProgress::SecondsPerUnit() const {
  const double seconds = stages_[index_].seconds_per_unit;
  return seconds > 0 ? seconds : mean_seconds_;
}

absl::optional<absl::Duration> PlanProgress::TimeLeft(int64_t done) const {
  double seconds = 0;
  for (size_t i = index_; i < stages_.size(); ++i) {
    const int64_t units = stages_[i].units - (i == index_ ? done : 0);
    if (units <= 0) continue;
    const bool is_measured = i == index_ && mean_seconds_ > 0;
    const double per_unit = is_measured ? mean_seconds_ : stages_[i].seconds_per_unit;
    if (per_unit <= 0) return absl::nullopt;
    seconds += static_cast<double>(units) * per_unit;
  }
  return absl::Seconds(seconds);
}

}  // namespace rcnn::training
