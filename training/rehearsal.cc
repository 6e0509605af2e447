#include "rcnn/training/rehearsal.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/subset_dataset.h"
#include "rcnn/training/stage_inputs.h"
#include "rcnn/training/stage_parts.h"
#include "rcnn/training/stage_runner.h"

namespace rcnn::training {
namespace {

constexpr int64_t kIterations = 2;
constexpr int64_t kFewestPictures = 4;

configs::TrainingConfig* MutableTraining(configs::StageConfig& stage) {
  switch (stage.work_case()) {
    case configs::StageConfig::kTrainRpn:
      return stage.mutable_train_rpn()->mutable_training();
    case configs::StageConfig::kTrainFastRcnn:
      return stage.mutable_train_fast_rcnn()->mutable_training();
    case configs::StageConfig::kTrainJoint:
      return stage.mutable_train_joint()->mutable_training();
    default:
      return nullptr;
  }
}

void Shorten(configs::TrainingConfig& training) {
  training.mutable_solver()->set_iterations(
      std::min<int64_t>(kIterations, training.solver().iterations()));
  if (training.has_validation()) training.mutable_validation()->set_every(kIterations);
}

// The first pictures that have objects; the first ones if there are too few of them.
std::shared_ptr<const data::Dataset> FewPictures(const std::shared_ptr<const data::Dataset>& all,
                                                 int64_t count) {
  count = std::min(count, all->size());
  std::vector<int64_t> indices = PicturesWithObjects(*all, count);
  for (int64_t i = 0; static_cast<int64_t>(indices.size()) < count; ++i) {
    if (std::find(indices.begin(), indices.end(), i) == indices.end()) indices.push_back(i);
  }
  return std::make_shared<data::SubsetDataset>(all, std::move(indices));
}

// As many pictures as the largest batch needs.
int64_t PicturesNeeded(const configs::ExperimentConfig& config) {
  int64_t count = kFewestPictures;
  for (const configs::StageConfig& stage : config.stages()) {
    if (const configs::TrainingConfig* training = TrainingOf(stage)) {
      count = std::max<int64_t>(count, 2 * training->batching().images_per_batch());
    }
  }
  return count;
}

ExperimentRun Small(const ExperimentRun& run, const std::string& directory) {
  ExperimentRun small = run;
  for (configs::StageConfig& stage : *small.config.mutable_stages()) {
    if (configs::TrainingConfig* training = MutableTraining(stage)) Shorten(*training);
  }
  const int64_t pictures = PicturesNeeded(run.config);
  for (auto& [role, dataset] : small.datasets) dataset = FewPictures(dataset, pictures);
  for (auto& [name, path] : small.directories) path = absl::StrCat(directory, "/", name);
  small.config.mutable_resources()->set_checkpoint_iterations(1);
  small.config.mutable_resources()->set_feature_cache_mib(0);
  small.events_directory = directory;
  small.notice = nullptr;
  return small;
}

// Deletes the directory when it is no longer looked at.
class Scratch {
 public:
  explicit Scratch(std::string path) : path_(std::move(path)) { Remove(); }
  ~Scratch() { Remove(); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  void Remove() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string path_;
};

// The time between the first and the last unit.
class Stopwatch {
 public:
  void Update(int64_t done) {
    last_ = absl::Now();
    last_done_ = done;
    if (first_done_ == 0) {
      first_ = last_;
      first_done_ = done;
    }
  }
  double SecondsPerUnit() const {
    if (last_done_ <= first_done_) return 0;
    return absl::ToDoubleSeconds(last_ - first_) / static_cast<double>(last_done_ - first_done_);
  }

 private:
  int64_t first_done_ = 0;
  int64_t last_done_ = 0;
  absl::Time first_;
  absl::Time last_;
};

}  // namespace

absl::StatusOr<SecondsPerUnit> Rehearse(const ExperimentRun& run, const std::string& directory) {
  const Scratch scratch(directory);
  ExperimentRun small = Small(run, directory);
  SecondsPerUnit seconds;
  for (const configs::StageConfig& stage : small.config.stages()) {
    Stopwatch watch;
    small.progress = [&](int64_t done, const std::string& note) {
      watch.Update(done);
      if (run.progress) run.progress(done, note);
    };
    RCNN_RETURN_IF_ERROR(CreateDirectories(small.directories.at(stage.name())));
    RCNN_RETURN_IF_ERROR(RunStage(small, stage).status(),
                         absl::StrCat("rehearsal of stage ", stage.name()));
    seconds[stage.name()] = watch.SecondsPerUnit();
  }
  return seconds;
}

}  // namespace rcnn::training
