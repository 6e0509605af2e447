#include "rcnn/training/plan/explain_plan.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/progress.h"
#include "rcnn/training/plan/data_rules.h"
#include "rcnn/training/plan/input_plan.h"

namespace rcnn::training {
namespace {

std::string Time(double seconds) { return HumanDuration(absl::Seconds(seconds)); }

std::string Numbers(const std::vector<double>& values) {
  return absl::StrJoin(values, ", ", [](std::string* out, double value) {
    absl::StrAppendFormat(out, "%.4g", value);
  });
}

std::string Data(const DataFingerprint& data, const PartSizes& images) {
  std::string text = absl::StrFormat(
      "data: %s to train on, %d to validate, %d to test; median size %.0f x %.0f pixels; %s of %s",
      Counted(images.train, "image"), images.validation, images.test, data.longest_side_px,
      data.shortest_side_px, Counted(data.objects, "object"),
      Counted(data.classes.size(), "class", "classes"));
  if (data.images_without_objects > 0) {
    absl::StrAppend(&text, "; ",
                    Counted(data.images_without_objects, "image without objects is",
                            "images without objects are"),
                    " background");
  }
  return text;
}

std::string Scale(const DataFingerprint& data, const InputPlan& input) {
  const std::vector<double> sizes = ObjectSizes(data, input.scale);
  const std::vector<int> sides = TrainingSides(input.scale);
  return absl::StrFormat(
      "scale: shortest side %d px, %d to %d in training, longest %d; 95 %% of the objects are then "
      "at least %.0f px large, half of them %.0f",
      input.scale.shortest_side_px, *std::min_element(sides.begin(), sides.end()),
      *std::max_element(sides.begin(), sides.end()), input.scale.longest_side_px,
      Quantile(sizes, 0.05), Quantile(sizes, 0.5));
}

std::string Anchors(const InputPlan& input) {
  std::string text = absl::StrFormat(
      "anchors: sizes %s px, heights / widths %s, every %.0f px; best possible recall at IoU 0.5: "
      "%.1f %%",
      Numbers(input.sizes_px), Numbers(input.aspect_ratios), input.stride_px, 100 * input.recall);
  if (input.recall < kWantedRecall) {
    absl::StrAppend(&text, ", less than the ", 100 * kWantedRecall,
                    " % wanted: the objects are too small for the images that the time allows");
  }
  return text;
}

std::string Network(const PlanChoices& choices) {
  return absl::StrCat(
      "network: ", choices.backbone.name, " at stride 8, from ",
      choices.backbone.pretrained ? absl::StrCat("the weights of ", choices.pretrained_file)
                                  : "random weights",
      choices.recipe == Recipe::kJoint ? "; joint training" : "; alternating training in 4 steps");
}

std::string Iterations(const PlanChoices& choices, const SecondsPerUnit& speed,
                       const Schedule& schedule, const DataFingerprint& data) {
  const char* const stage = choices.recipe == Recipe::kJoint ? "joint" : "fast1";
  const auto found = speed.find(stage);
  const double passes = static_cast<double>(schedule.iterations * choices.images_per_batch) /
                        static_cast<double>(std::max<int64_t>(data.images, 1));
  return absl::StrFormat(
      "schedule: %s of %s, %.1f passes, at a measured %.3f s for an iteration%s",
      Counted(schedule.iterations, "iteration"), Counted(choices.images_per_batch, "image"), passes,
      found == speed.end() ? 0.0 : found->second,
      choices.recipe == Recipe::kJoint ? "" : ", in step 2, and the other steps in proportion");
}

std::string Budget(const Schedule& schedule, double budget) {
  const double planned = schedule.training + schedule.validating + schedule.other;
  std::string text = absl::StrCat("time: ", Time(planned), " of the budget of ", Time(budget),
                                  " from now: training ", Time(schedule.training), ", validation ",
                                  Time(schedule.validating), ", the rest ", Time(schedule.other));
  if (schedule.iterations == kFewestIterations) {
    absl::StrAppend(&text, "; the budget is too short to learn anything");
  }
  return text;
}

std::string Rare(const DataFingerprint& data) {
  std::vector<std::string> names;
  for (const ClassFrequency& c : data.classes) {
    const double share = static_cast<double>(c.images) / static_cast<double>(data.images);
    if (c.images == 0 || share >= kRareClassShare) continue;
    names.push_back(absl::StrFormat("%s x %.1f", c.name, std::sqrt(kRareClassShare / share)));
  }
  if (names.size() > 10) {
    const size_t more = names.size() - 10;
    names.resize(10);
    names.push_back(absl::StrCat(more, " more"));
  }
  return absl::StrCat("rare classes: images are repeated for ", absl::StrJoin(names, ", "));
}

std::string Augmentation(const PlanChoices& choices) {
  return absl::StrCat("augmentation: ",
                      choices.mirror ? "mirrored" : "not mirrored, as classes tell left from right",
                      ", scaled by ", kLeastJitter, " to ", kMostJitter,
                      choices.vary_colours ? ", colours varied" : "");
}

std::string End(const PlanChoices& choices) {
  if (choices.validations == 0) return "result: averaged weights of the last iterations";
  if (choices.recipe == Recipe::kJoint) {
    return absl::StrCat("result: averaged weights, those with the best AP in ", choices.validations,
                        " validations");
  }
  return absl::StrCat("result: averaged weights of each step, those with the best AP (in steps 1 ",
                      "and 3 the best recall) in its ", choices.validations, " validations");
}

}  // namespace

std::vector<std::string> ExplainPlan(const DataFingerprint& data, const PartSizes& images,
                                     const PlanChoices& choices, const SecondsPerUnit& speed,
                                     const Schedule& schedule, double budget) {
  std::vector<std::string> lines = {Data(data, images),
                                    Scale(data, choices.input),
                                    Anchors(choices.input),
                                    Network(choices),
                                    Iterations(choices, speed, schedule, data),
                                    Budget(schedule, budget)};
  if (choices.repeat_classes_below > 0) lines.push_back(Rare(data));
  lines.push_back(Augmentation(choices));
  lines.push_back(End(choices));
  return lines;
}

}  // namespace rcnn::training
