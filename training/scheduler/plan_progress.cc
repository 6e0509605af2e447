#include "rcnn/training/scheduler/plan_progress.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/printable.h"

namespace rcnn::training {

void PlanProgress::Begin(size_t index) {
  End();
  index_ = index;
  last_done_ = 0;
}

void PlanProgress::Update(int64_t done, const std::string& note) {
  const absl::Time now = MonotonicNow();
  StageEffort& stage = stages_[index_];
  if (bar_ == nullptr) {
    ProgressOptions options;
    options.quiet = quiet_;
    options.plain_interval = absl::Seconds(30);
    if (!stage.unit.empty()) options.unit = Noun(0, stage.unit);
    first_done_ = last_done_ = done - 1;
    first_time_ = now;
    bar_ = std::make_unique<Progress>(
        absl::StrCat("[", index_ + 1, "/", stages_.size(), " ", stage.name, "]"), stage.units,
        first_done_, options);
  }
  // The first unit is slower than the others and is not measured.
  const int64_t measured = done - first_done_ - 1;
  if (measured >= 5) {
    stage.seconds_per_unit =
        absl::ToDoubleSeconds(now - first_time_) / static_cast<double>(measured);
  }
  const absl::optional<absl::Duration> left = TimeLeft(done);
  bar_->SetNote(!left.has_value() ? note
                                  : absl::StrCat(note, note.empty() ? "" : ", ", "all stages eta ",
                                                 HumanDuration(*left)));
  bar_->Add(done - last_done_);
  last_done_ = done;
}

void PlanProgress::End() {
  if (bar_ != nullptr) bar_->Finish();
  bar_.reset();
}

void PlanProgress::Notice(const std::string& text) {
  if (quiet_) return;
  if (bar_ != nullptr) return bar_->Message(text);
  std::fprintf(stderr, "%s\n", PrintableMessage(text).c_str());
}

absl::optional<absl::Duration> PlanProgress::TimeLeft(int64_t done) const {
  double seconds = 0;
  for (size_t i = index_; i < stages_.size(); ++i) {
    const int64_t units = stages_[i].units - (i == index_ ? done : 0);
    if (units <= 0) continue;
    if (stages_[i].seconds_per_unit <= 0) return absl::nullopt;
    seconds += static_cast<double>(units) * stages_[i].seconds_per_unit;
  }
  return absl::Seconds(seconds);
}

}  // namespace rcnn::training
