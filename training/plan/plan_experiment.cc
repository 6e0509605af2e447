// How a plan is made. Each choice is made once, so planning takes a bounded share of the budget:
//
//   1 Begin     from the data alone: repeats, mirroring, limits; the backbone; scale and anchors
//   2 Fit       measures this experiment roughly. share = images that training would see / wanted:
//                 share < kTinyBelow, random weights   the tiny network, measured again
//                 otherwise                            images per batch by the share
//               then the scale changes by sqrt(share), within limits, and the anchors with it
//   3 Measure   measures the result thoroughly, and fits iterations and validations into the time
//               that is left
//
// Invariants:
//   - choices_ always describes a whole experiment, so what is measured is what would run.
//   - The time left is read after each measurement: planning is a part of the budget.

#include "rcnn/training/plan/plan_experiment.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/plan/data_fingerprint.h"
#include "rcnn/training/plan/data_rules.h"
#include "rcnn/training/plan/explain_plan.h"
#include "rcnn/training/plan/input_plan.h"
#include "rcnn/training/plan/plan_backbone.h"

namespace rcnn::training {
namespace {

using configs::ResNetConfig;

// The share of the budget that is planned; the rest is a reserve for work that was not measured.
constexpr double kPlannedShare = 0.97;
// Smaller changes of the scale are not made.
constexpr double kLeastChange = 0.05;

void SetData(const data::FolderSplit& split, configs::ExperimentData& data) {
  for (const data::OpenedPart& part : split.parts) {
    configs::DatasetConfig& target = part.name == "train" ? *data.mutable_train()
                                     : part.name == "val" ? *data.mutable_validation()
                                                          : *data.mutable_test();
    target = part.config;
  }
}

int64_t Size(const data::FolderSplit& split, const char* part) {
  const data::OpenedPart* const found = split.FindPart(part);
  return found == nullptr ? 0 : found->images->size();
}

class Planner {
 public:
  Planner(const PlanRequest& request, const data::FolderSplit& split)
      : request_(request),
        split_(split),
        data_(MeasureFingerprint(*split.FindPart("train")->images)),
        sizes_({data_.images, Size(split, "val"), Size(split, "test")}) {}

  absl::StatusOr<Plan> Run() {
    RCNN_RETURN_IF_ERROR(Begin());
    RCNN_RETURN_IF_ERROR(Fit());
    RCNN_RETURN_IF_ERROR(Measure(Thoroughly()));
    UseSchedule();
    return Plan{Config(),
                ExplainPlan(data_, sizes_, choices_, speed_, schedule_,
                            absl::ToDoubleSeconds(request_.budget)),
                Time()};
  }

 private:
  // What follows from the data alone.
  absl::Status Begin() {
    choices_ = ChooseByData(data_);
    choices_.recipe = request_.recipe;
    choices_.pretrained_file = request_.pretrained_file;
    choices_.backbone = RandomResNet(ResNetConfig::RESNET_18);
    if (!request_.pretrained_file.empty()) {
      RCNN_ASSIGN_OR_RETURN(choices_.backbone, BackboneOfWeights(request_.pretrained_file));
    }
    choices_.input = PlanInput(data_, {.stride_px = choices_.backbone.stride_px});
    return absl::OkStatus();
  }

  // Chooses scale, batch and backbone by what the budget allows.
  absl::Status Fit() {
    RCNN_RETURN_IF_ERROR(Measure(Roughly()));
    const double wanted = WantedPresentations(data_, choices_.backbone.pretrained);
    const double share = Presentations() / wanted;
    if (!choices_.backbone.pretrained && share < kTinyBelow) {
      choices_.backbone = RandomTiny();
      RCNN_RETURN_IF_ERROR(Measure(Roughly()));
      return Rescale(ScaleChange(Presentations() / wanted));
    }
    choices_.images_per_batch = ImagesPerBatch(data_, share);
    return Rescale(ScaleChange(share));
  }

  absl::Status Rescale(double factor) {
    if (std::abs(factor - 1) < kLeastChange) return absl::OkStatus();
    const int side = ChangedSide(data_, choices_.input.scale.shortest_side_px, factor);
    choices_.input =
        PlanInput(data_, {.stride_px = choices_.backbone.stride_px, .shortest_side_px = side});
    return absl::OkStatus();
  }

  // Images that training would see.
  double Presentations() const {
    return static_cast<double>(schedule_.iterations) * choices_.images_per_batch;
  }

  double SecondsLeft() const {
    return kPlannedShare * absl::ToDoubleSeconds(request_.budget) -
           absl::ToDoubleSeconds(MonotonicNow() - request_.start + request_.opening);
  }

  absl::Status Measure(const RehearsalOptions& options) {
    choices_.iterations = std::max<int64_t>(choices_.iterations, 100);
    choices_.validations = sizes_.validation > 0 ? 1 : 0;
    RCNN_ASSIGN_OR_RETURN(speed_, request_.measure_speed(Config(), split_, options),
                          "measuring the speed");
    schedule_ = FitSchedule(choices_, speed_, sizes_, SecondsLeft());
    return absl::OkStatus();
  }

  RehearsalOptions Roughly() const {
    const double budget = absl::ToDoubleSeconds(request_.budget);
    return {.images = 8, .spread = true, .patience = budget / 60, .measured = budget / 120};
  }

  RehearsalOptions Thoroughly() const {
    const double budget = absl::ToDoubleSeconds(request_.budget);
    const auto images = static_cast<int64_t>(std::clamp(budget / 20, 4.0, 40.0));
    return {.images = images, .spread = true, .patience = budget / 60, .measured = budget / 40};
  }

  PlannedTime Time() const {
    PlannedTime time;
    time.set_iterations(schedule_.iterations);
    time.set_planning_seconds(absl::ToDoubleSeconds(MonotonicNow() - request_.start));
    time.set_training_seconds(schedule_.training);
    time.set_validation_seconds(schedule_.validating);
    time.set_other_seconds(schedule_.other + absl::ToDoubleSeconds(request_.opening));
    for (const auto& [stage, seconds] : speed_) {
      PlannedTime::Stage* const planned = time.add_stages();
      planned->set_name(stage);
      planned->set_seconds_per_unit(seconds);
    }
    return time;
  }

  void UseSchedule() {
    choices_.iterations = schedule_.iterations;
    choices_.validations = schedule_.validations;
    choices_.validation_images = schedule_.validation_images;
  }

  configs::ExperimentConfig Config() const {
    configs::ExperimentConfig config = MakeRecipe(request_.name, choices_);
    SetData(split_, *config.mutable_data());
    return config;
  }

  const PlanRequest& request_;
  const data::FolderSplit& split_;
  const DataFingerprint data_;
  const PartSizes sizes_;
  PlanChoices choices_;
  SecondsPerUnit speed_;
  Schedule schedule_;
};

}  // namespace

absl::StatusOr<Plan> PlanExperiment(const PlanRequest& request, const data::FolderSplit& split) {
  if (request.budget <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("--budget: is not a time; give for example 20m or 1h30m");
  }
  const data::OpenedPart* const train = split.FindPart("train");
  if (train == nullptr || train->images->size() == 0) {
    return absl::InvalidArgumentError("no images to train on");
  }
  if (MeasureFingerprint(*train->images).objects == 0) {
    return absl::InvalidArgumentError("the training images have no objects to learn from");
  }
  return Planner(request, split).Run();
}

}  // namespace rcnn::training
