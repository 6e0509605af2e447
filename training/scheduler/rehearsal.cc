// How the time of a stage is measured, on few images and in a directory of its own:
//
//   1 cold     kIterations iterations of training, or all of the few images; without the first
//              iteration or the images that were computed first, where there are others
//   2 warm     training only, if a cold iteration takes at most `patience`: resumes from the
//              checkpoint for one iteration and two epochs of the few images, with fewer iterations
//              where these would take longer than `measured`
//
//   time of an iteration = share * first + (1 - share) * later
//
//   first, later   mean times in the first and the second of these epochs; in the second, maps of
//                  frozen convolutions come from their cache
//   share          the first epoch's share of the real stage's iterations
//
// Both means are corrected from the pixels of the measured batches to those of the real ones
// (SecondsAtMeanPixels).

#include "rcnn/training/scheduler/rehearsal.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/subset_dataset.h"
#include "rcnn/data/loader/batch_planner.h"
#include "rcnn/training/config/stage_parts.h"
#include "rcnn/training/stages/stage_device.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_runner.h"

namespace rcnn::training {
namespace {

constexpr int64_t kIterations = 2;
// The mean batch of this many iterations has the size of that of a whole training, within half
// a percent.
constexpr int64_t kManyIterations = 4000;
// With fewer measurements a line through them does not show how time grows with pixels.
constexpr size_t kEnoughMeasured = 8;

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

std::shared_ptr<const data::Dataset> SpreadImages(const std::shared_ptr<const data::Dataset>& all,
                                                  int64_t count) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back(i * all->size() / count);
  return std::make_shared<data::SubsetDataset>(all, std::move(indices));
}

// The first images that have objects; the first ones if there are too few of them.
std::shared_ptr<const data::Dataset> FewImages(const std::shared_ptr<const data::Dataset>& all,
                                               int64_t count, bool spread) {
  count = std::min(count, all->size());
  if (spread) return SpreadImages(all, count);
  std::vector<int64_t> indices = ImagesWithObjects(*all, count);
  for (int64_t i = 0; static_cast<int64_t>(indices.size()) < count; ++i) {
    if (std::find(indices.begin(), indices.end(), i) == indices.end()) indices.push_back(i);
  }
  return std::make_shared<data::SubsetDataset>(all, std::move(indices));
}

// As many images as two of the largest batches need.
int64_t ImagesNeeded(const configs::ExperimentConfig& config, int64_t fewest) {
  int64_t count = fewest;
  for (const configs::StageConfig& stage : config.stages()) {
    if (const configs::TrainingConfig* training = FindTraining(stage)) {
      count = std::max<int64_t>(count, 2 * training->batching().images_per_batch());
    }
  }
  return count;
}

ExperimentRun Small(const ExperimentRun& run, const std::string& directory,
                    const RehearsalOptions& options) {
  ExperimentRun small = run;
  for (configs::StageConfig& stage : *small.config.mutable_stages()) {
    configs::TrainingConfig* const training = MutableTraining(stage);
    if (training == nullptr) continue;
    Shorten(*training);
    // A stage that is done may have trained on another device.
    if (CheckTrainingPrecision(stage, run.device).ok()) continue;
    training->set_precision(configs::TrainingConfig::FLOAT32);
  }
  const int64_t images = ImagesNeeded(run.config, options.images);
  for (auto& [role, dataset] : small.datasets) {
    dataset = FewImages(dataset, images, options.spread);
  }
  for (auto& [name, path] : small.directories) path = absl::StrCat(directory, "/", name);
  small.config.mutable_resources()->set_checkpoint_iterations(kIterations);
  small.events_directory = directory;
  small.notice = nullptr;
  small.ranks = nullptr;
  return small;
}

// Deletes the directory when destroyed, unless the run may no longer write: then it is the
// rehearsal of another scheduler.
class Scratch {
 public:
  Scratch(const ExperimentRun& run, std::string path) : run_(run), path_(std::move(path)) {}
  ~Scratch() {
    if (absl::IsFailedPrecondition(CheckMayWrite(run_))) return;
    RemovePath(path_).IgnoreError();
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  const ExperimentRun& run_;
  std::string path_;
};

// When the work of a stage began, and when it reported units as done: an iteration, or the images
// that were computed at a time.
class Stopwatch {
 public:
  // Only the first call counts: a stage of two passes starts twice.
  void Start(int64_t done) {
    if (reports_.empty()) reports_.push_back({MonotonicNow(), done});
  }
  void Update(int64_t done) { reports_.push_back({MonotonicNow(), done}); }
  void Clear() { reports_.clear(); }

  // The time of each iteration after iteration `first` up to iteration `last`, counted from 1.
  std::vector<double> Seconds(size_t first, size_t last) const {
    std::vector<double> seconds;
    for (size_t i = first + 1; i <= last && i < reports_.size(); ++i) {
      seconds.push_back(absl::ToDoubleSeconds(reports_[i].time - reports_[i - 1].time));
    }
    return seconds;
  }

  // The mean time per unit without the units of the first report; 0 if there are no others.
  double MeanSecondsAfterFirst() const { return MeanSeconds(1); }
  // The mean time per unit; 0 if none was done.
  double MeanSecondsOfAll() const { return MeanSeconds(0); }

 private:
  struct Report {
    absl::Time time;
    int64_t done = 0;
  };

  double MeanSeconds(size_t from) const {
    if (reports_.size() < from + 2) return 0;
    const Report &first = reports_[from], &last = reports_.back();
    return absl::ToDoubleSeconds(last.time - first.time) /
           static_cast<double>(last.done - first.done);
  }

  std::vector<Report> reports_;  // begins with the start
};

// Pixels of the image as the network sees it.
int64_t InputPixels(const data::PlannedImage& image) {
  return (image.transform.height + image.own_padding_y) *
         (image.transform.width + image.own_padding_x);
}

// Pixels of the network's input in the batches of each iteration from `first` to `last` - 1.
absl::StatusOr<std::vector<double>> PixelsOfIterations(
    const ExperimentRun& run, const configs::StageConfig& stage,
    const std::shared_ptr<const data::Dataset>& dataset, int64_t first, int64_t last) {
  const configs::TrainingConfig& training = *FindTraining(stage);
  data::BatchOptions options;
  options.transform =
      training.has_transform() ? training.transform() : run.config.data().transform();
  options.batching = training.batching();
  options.batches_per_update = training.solver().batches_per_update();
  options.seed = run.config.seed();
  options.stage = stage.name();
  RCNN_ASSIGN_OR_RETURN(data::BatchPlanner planner, data::BatchPlanner::Create(dataset, options));
  const int64_t batches = training.solver().batches_per_update();
  std::vector<double> pixels;
  for (int64_t iteration = first; iteration < last; ++iteration) {
    int64_t sum = 0;
    for (int64_t i = iteration * batches; i < (iteration + 1) * batches; ++i) {
      RCNN_ASSIGN_OR_RETURN(const data::BatchPlan plan, planner.Plan(i));
      for (const data::PlannedImage& image : plan.images) sum += InputPixels(image);
    }
    pixels.push_back(static_cast<double>(sum));
  }
  return pixels;
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Number of iterations in which each image is used once.
int64_t IterationsOfEpoch(const configs::TrainingConfig& training, int64_t images) {
  const int64_t batch =
      int64_t{training.batching().images_per_batch()} * training.solver().batches_per_update();
  return std::max<int64_t>(1, (images + batch - 1) / batch);
}

class Rehearsal {
 public:
  Rehearsal(const ExperimentRun& run, const std::string& directory, const RehearsalOptions& options)
      : run_(run), options_(options), small_(Small(run, directory, options)) {
    small_.started = [this](int64_t done) {
      watch_.Start(done);
      if (run_.started) run_.started(done);
    };
    small_.progress = [this](int64_t done, const std::string& note) {
      watch_.Update(done);
      if (run_.progress) run_.progress(done, note);
    };
  }

  const ExperimentRun& small() const { return small_; }

  // Runs the stage and returns the time per unit.
  absl::StatusOr<double> Run(const configs::StageConfig& stage) {
    watch_.Clear();
    RCNN_RETURN_IF_ERROR(RunStage(small_, stage).status());
    const double cold = watch_.MeanSecondsAfterFirst();
    if (FindTraining(stage) == nullptr) return cold > 0 ? cold : watch_.MeanSecondsOfAll();
    const bool quick = cold > 0 && cold <= options_.patience;
    return quick ? ResumeAndMeasure(stage, cold) : cold;
  }

 private:
  // The first iterations of a network are slow, because memory and every tensor size are
  // new. So a training stage resumes from its checkpoint, which tests resuming as well, for
  // two epochs; in the second epoch maps of frozen layers come from their cache.
  absl::StatusOr<double> ResumeAndMeasure(configs::StageConfig stage, double cold) {
    const int64_t images = small_.datasets.at(configs::TRAIN)->size();
    const int64_t all_images = run_.datasets.at(configs::TRAIN)->size();
    configs::TrainingConfig& training = *MutableTraining(stage);
    const double affordable = std::min(options_.measured / (2 * cold), 1e9);
    const int64_t epoch = std::min(IterationsOfEpoch(training, images),
                                   std::max<int64_t>(1, static_cast<int64_t>(affordable)));
    const auto iterations = static_cast<double>(
        FindTraining(*FindStage(run_.config, stage.name()))->solver().iterations());
    training.mutable_solver()->set_iterations(kIterations + 1 + 2 * epoch);
    training.clear_validation();
    ExperimentRun resumed = small_;
    resumed.config.mutable_resources()->set_checkpoint_iterations(0);
    watch_.Clear();
    RCNN_RETURN_IF_ERROR(RunStage(resumed, stage).status());
    const auto count = static_cast<size_t>(epoch);
    const int64_t begin = kIterations + 1;
    RCNN_ASSIGN_OR_RETURN(const double first,
                          MeanSeconds(stage, watch_.Seconds(1, 1 + count), begin));
    RCNN_ASSIGN_OR_RETURN(
        const double later,
        MeanSeconds(stage, watch_.Seconds(1 + count, 1 + 2 * count), begin + epoch));
    const double share =
        std::min(1.0, static_cast<double>(IterationsOfEpoch(training, all_images)) / iterations);
    return share * first + (1 - share) * later;
  }

  // The mean time of an iteration on all images. Those on the few, from iteration `begin` on,
  // took `seconds`.
  absl::StatusOr<double> MeanSeconds(const configs::StageConfig& stage,
                                     const std::vector<double>& seconds, int64_t begin) const {
    if (seconds.empty()) return 0;
    const auto end = begin + static_cast<int64_t>(seconds.size());
    RCNN_ASSIGN_OR_RETURN(
        const std::vector<double> measured,
        PixelsOfIterations(small_, stage, small_.datasets.at(configs::TRAIN), begin, end));
    RCNN_ASSIGN_OR_RETURN(
        const std::vector<double> all,
        PixelsOfIterations(run_, stage, run_.datasets.at(configs::TRAIN), 0, kManyIterations));
    return SecondsAtMeanPixels(seconds, measured, Mean(all));
  }

  const ExperimentRun& run_;
  const RehearsalOptions options_;
  ExperimentRun small_;
  Stopwatch watch_;
};

}  // namespace

double SecondsAtMeanPixels(const std::vector<double>& seconds, const std::vector<double>& pixels,
                           double mean_pixels) {
  const double mean_seconds = Mean(seconds);
  const double measured_pixels = Mean(pixels);
  double products = 0, squares = 0;
  for (size_t i = 0; i < seconds.size(); ++i) {
    const double difference = pixels[i] - measured_pixels;
    products += difference * (seconds[i] - mean_seconds);
    squares += difference * difference;
  }
  const double proportion = mean_seconds / measured_pixels;
  const bool enough = seconds.size() >= kEnoughMeasured && squares > 0;
  const double slope = enough ? std::clamp(products / squares, 0.0, proportion) : proportion;
  return mean_seconds + slope * (mean_pixels - measured_pixels);
}

absl::StatusOr<SecondsPerUnit> Rehearse(const ExperimentRun& run, const std::string& directory,
                                        const std::function<void(const std::string&)>& begin,
                                        const RehearsalOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  // A link that stays there would be written through.
  RCNN_RETURN_IF_ERROR(RemovePath(directory));
  const Scratch scratch(run, directory);
  Rehearsal rehearsal(run, directory, options);
  SecondsPerUnit seconds;
  for (const configs::StageConfig& stage : rehearsal.small().config.stages()) {
    if (begin) begin(stage.name());
    RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
    RCNN_RETURN_IF_ERROR(CreateDirectories(rehearsal.small().directories.at(stage.name())));
    RCNN_ASSIGN_OR_RETURN(seconds[stage.name()], rehearsal.Run(stage),
                          absl::StrCat("rehearsal of stage ", stage.name()));
  }
  return seconds;
}

}  // namespace rcnn::training
