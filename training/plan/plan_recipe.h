// The experiment of a plan: the stages of joint or of alternating training with what the
// rules have chosen.
//
// What is the same for every dataset is here; docs/plan.md has the rules.
//
// Example:
//   configs::ExperimentConfig config = MakeRecipe("cells", choices);

#ifndef RCNN_TRAINING_PLAN_PLAN_RECIPE_H_
#define RCNN_TRAINING_PLAN_PLAN_RECIPE_H_

#include <cstdint>
#include <string>

#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/plan/input_plan.h"
#include "rcnn/training/plan/plan_backbone.h"

namespace rcnn::training {

enum class Recipe { kJoint, kAlternating };

// What the rules choose.
struct PlanChoices {
  Recipe recipe = Recipe::kJoint;
  InputPlan input;
  PlanBackbone backbone;
  // Path of pretrained weights; "": random weights.
  std::string pretrained_file;
  int images_per_batch = 2;
  // Iterations of joint training, or of step 2 of alternating training; the other steps have a
  // share of them (IterationsOfStep).
  int64_t iterations = 1000;
  // Validations in each stage of training; 0: none.
  int64_t validations = 0;
  // Images of each validation; 0: all. Joint training only.
  int64_t validation_images = 0;
  double repeat_classes_below = 0;
  bool mirror = true;
  bool vary_colours = true;
  // RoIs of an image that the head is trained on.
  int rois_per_image = 64;
  // Proposals of an image at test time, and detections.
  int proposals = 200;
  int detections = 100;
  int64_t image_cache_mib = 0;
};

// Weight updates of step 1 to 4 of alternating training where step 2 has `iterations`.
int64_t IterationsOfStep(int step, int64_t iterations);

// The experiment without its datasets, which PlanExperiment adds.
configs::ExperimentConfig MakeRecipe(const std::string& name, const PlanChoices& choices);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_PLAN_RECIPE_H_
