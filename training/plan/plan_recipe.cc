#include "rcnn/training/plan/plan_recipe.h"

#include <algorithm>
#include <cmath>

namespace rcnn::training {
namespace {

using configs::ExperimentConfig;
using configs::StageConfig;
using configs::TrainingConfig;

constexpr int64_t kPatience = 10;
constexpr int kTrainProposals = 300;

void SetRpn(const PlanChoices& choices, configs::RpnConfig& rpn) {
  for (const double size : choices.input.sizes_px) rpn.mutable_anchors()->add_size_px(size);
  for (const double ratio : choices.input.aspect_ratios) {
    rpn.mutable_anchors()->add_aspect_ratio(ratio);
  }
  rpn.set_channels(256);
  rpn.mutable_train_proposals()->set_before_nms(1000);
  rpn.mutable_train_proposals()->set_after_nms(std::max(kTrainProposals, choices.proposals));
  rpn.mutable_test_proposals()->set_before_nms(std::max(1000, 3 * choices.proposals));
  rpn.mutable_test_proposals()->set_after_nms(choices.proposals);
}

void SetHead(const PlanChoices& choices, configs::HeadConfig& head) {
  for (int i = 0; i < 2; ++i) head.mutable_fc()->add_fc_channels(512);
  head.mutable_pool()->mutable_roi_align()->set_sampling_ratio(2);
  for (const double weight : {10, 10, 5, 5}) head.mutable_box_coder()->add_weight(weight);
  head.mutable_targets()->set_rois_per_image(choices.rois_per_image);
  head.mutable_targets()->set_positive_fraction(0.5);
  head.mutable_detections()->set_min_score(0.001);
  head.mutable_detections()->set_voting_iou(0.7);
  head.mutable_detections()->set_max_per_image(choices.detections);
}

void SetModel(const PlanChoices& choices, configs::ModelConfig& model) {
  *model.mutable_backbone() = choices.backbone.config;
  *model.mutable_normalization() = choices.backbone.normalization;
  SetRpn(choices, *model.mutable_rpn());
  SetHead(choices, *model.mutable_head());
}

void SetTransform(const PlanChoices& choices, configs::TransformConfig& transform) {
  configs::ResizeConfig& resize = *transform.mutable_resize();
  for (const int side : TrainingSides(choices.input.scale)) resize.add_shortest_side_px(side);
  resize.set_longest_side_px(choices.input.scale.longest_side_px);
  resize.set_one_scale_per_batch(true);
  if (choices.mirror) transform.set_flip(configs::TransformConfig::AT_RANDOM);
  if (!choices.vary_colours) return;
  configs::JitterConfig& jitter = *transform.mutable_jitter();
  jitter.set_brightness(0.2);
  jitter.set_contrast(0.2);
  jitter.set_saturation(0.2);
  jitter.set_hue_degrees(6);
}

// Steps 3 and 4 compute the map of each image once.
void SetFixedTransform(const PlanChoices& choices, configs::TransformConfig& transform) {
  transform.mutable_resize()->add_shortest_side_px(choices.input.scale.shortest_side_px);
  transform.mutable_resize()->set_longest_side_px(choices.input.scale.longest_side_px);
  if (choices.mirror) transform.set_flip(configs::TransformConfig::AT_RANDOM);
}

void SetSolver(const PlanChoices& choices, int64_t iterations, double rate, bool trains_norms,
               configs::SolverConfig& solver) {
  solver.mutable_adamw();
  solver.set_learning_rate(rate * std::sqrt(choices.images_per_batch / 2.0));
  solver.set_weight_decay(0.05);
  solver.set_iterations(iterations);
  solver.mutable_cosine();
  solver.mutable_warm_up()->set_iterations(std::clamp<int64_t>(iterations / 20, 1, 100));
  solver.set_max_gradient_norm(10);
  // A rule has to match a parameter: constant norms have none.
  if (!trains_norms) return;
  configs::ParameterRule& rule = *solver.add_rules();
  rule.set_kind(configs::ParameterRule::NORM);
  rule.set_weight_decay_multiplier(0);
}

void SetTraining(const PlanChoices& choices, int64_t iterations, double rate, bool trains_norms,
                 TrainingConfig& training) {
  SetSolver(choices, iterations, rate, trains_norms, *training.mutable_solver());
  configs::BatchingConfig& batching = *training.mutable_batching();
  batching.set_images_per_batch(choices.images_per_batch);
  batching.set_group_by_shape(true);
  if (choices.repeat_classes_below > 0) {
    batching.set_repeat_classes_below(choices.repeat_classes_below);
  }
  training.set_average_decay(std::clamp(1 - 15.0 / static_cast<double>(iterations), 0.9, 0.999));
}

void SetValidation(const PlanChoices& choices, int64_t iterations,
                   configs::ValidationConfig::Metric metric, TrainingConfig& training) {
  if (choices.validations <= 0) return;
  configs::ValidationConfig& validation = *training.mutable_validation();
  validation.set_every(
      std::max<int64_t>(1, (iterations + choices.validations - 1) / choices.validations));
  validation.set_metric(metric);
  validation.set_keep_best(true);
  validation.set_patience(kPatience);
  if (choices.validation_images > 0) validation.set_max_images(choices.validation_images);
}

double LearningRate(const PlanChoices& choices) {
  return choices.backbone.pretrained ? 0.0005 : 0.002;
}

StageConfig& AddStage(const char* name, ExperimentConfig& config) {
  StageConfig& stage = *config.add_stages();
  stage.set_name(name);
  return stage;
}

void StartPretrained(const PlanChoices& choices, StageConfig& stage) {
  if (!choices.backbone.pretrained) return;
  configs::InitConfig& init = *stage.add_init();
  init.set_pretrained(true);
  init.add_part("backbone");
}

void AddEvaluation(const char* rpn, const char* detector, ExperimentConfig& config) {
  configs::EvaluateConfig& evaluate = *AddStage("final", config).mutable_evaluate();
  evaluate.set_rpn(rpn);
  evaluate.set_detector(detector);
}

void AddJointStages(const PlanChoices& choices, ExperimentConfig& config) {
  StageConfig& stage = AddStage("joint", config);
  TrainingConfig& training = *stage.mutable_train_joint()->mutable_training();
  SetTraining(choices, choices.iterations, LearningRate(choices), !choices.backbone.pretrained,
              training);
  SetValidation(choices, choices.iterations, configs::ValidationConfig::AP, training);
  StartPretrained(choices, stage);
  AddEvaluation("joint", "joint", config);
}

void AddProposals(const char* name, const char* rpn, ExperimentConfig& config) {
  configs::GenerateProposalsConfig& work = *AddStage(name, config).mutable_generate_proposals();
  work.set_rpn(rpn);
  work.mutable_proposals()->set_before_nms(1000);
  work.mutable_proposals()->set_after_nms(kTrainProposals);
}

// As many proposals as at test time, for the validations of the next step.
void AddValidationProposals(const char* name, const char* rpn, const PlanChoices& choices,
                            ExperimentConfig& config) {
  if (choices.validations <= 0) return;
  configs::GenerateProposalsConfig& work = *AddStage(name, config).mutable_generate_proposals();
  work.set_rpn(rpn);
  work.set_dataset(configs::VALIDATION);
}

// Training of step 1 to 4.
StageConfig& AddStep(int step, const PlanChoices& choices, ExperimentConfig& config) {
  static constexpr const char* kNames[] = {"rpn1", "fast1", "rpn2", "fast2"};
  static constexpr double kRates[] = {1, 1, 0.5, 0.25};
  StageConfig& stage = AddStage(kNames[step - 1], config);
  const bool rpn = step == 1 || step == 3;
  TrainingConfig& training = rpn ? *stage.mutable_train_rpn()->mutable_training()
                                 : *stage.mutable_train_fast_rcnn()->mutable_training();
  const int64_t iterations = IterationsOfStep(step, choices.iterations);
  SetTraining(choices, iterations, LearningRate(choices) * kRates[step - 1],
              step <= 2 && !choices.backbone.pretrained, training);
  // An RPN alone has no detections, and so no AP.
  SetValidation(choices, iterations,
                rpn ? configs::ValidationConfig::AR_100 : configs::ValidationConfig::AP, training);
  if (!rpn) {
    stage.mutable_train_fast_rcnn()->set_proposals(step == 2 ? "proposals1" : "proposals2");
    if (training.has_validation()) {
      training.mutable_validation()->set_proposals(step == 2 ? "validation_proposals1"
                                                             : "validation_proposals2");
    }
  }
  if (step >= 3) {
    SetFixedTransform(choices, *training.mutable_transform());
    stage.add_freeze("backbone");
    stage.add_init()->set_stage("fast1");
  }
  return stage;
}

void AddAlternatingStages(const PlanChoices& choices, ExperimentConfig& config) {
  StartPretrained(choices, AddStep(1, choices, config));
  AddProposals("proposals1", "rpn1", config);
  AddValidationProposals("validation_proposals1", "rpn1", choices, config);
  // The paper starts step 2 from ImageNet again. Without pretrained weights it starts from step 1's
  // convolutions.
  StageConfig& fast = AddStep(2, choices, config);
  if (choices.backbone.pretrained) {
    StartPretrained(choices, fast);
  } else {
    fast.add_init()->set_stage("rpn1");
  }
  AddStep(3, choices, config);
  AddProposals("proposals2", "rpn2", config);
  AddValidationProposals("validation_proposals2", "rpn2", choices, config);
  AddStep(4, choices, config);
  AddEvaluation("rpn2", "fast2", config);
}

}  // namespace

int64_t IterationsOfStep(int step, int64_t iterations) {
  static constexpr double kShares[] = {0.35, 1, 0.18, 0.24};
  return std::max<int64_t>(1, std::llround(kShares[step - 1] * static_cast<double>(iterations)));
}

ExperimentConfig MakeRecipe(const std::string& name, const PlanChoices& choices) {
  ExperimentConfig config;
  config.set_name(name);
  SetTransform(choices, *config.mutable_data()->mutable_transform());
  SetModel(choices, *config.mutable_model());
  if (choices.backbone.pretrained) config.mutable_pretrained()->set_file(choices.pretrained_file);
  if (choices.recipe == Recipe::kJoint) {
    AddJointStages(choices, config);
  } else {
    AddAlternatingStages(choices, config);
  }
  config.mutable_resources()->set_image_cache_mib(static_cast<int32_t>(choices.image_cache_mib));
  return config;
}

}  // namespace rcnn::training
