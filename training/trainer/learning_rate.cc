#include "rcnn/training/trainer/learning_rate.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

using configs::SolverConfig;

constexpr double kPi = 3.14159265358979323846;

template <typename T>
absl::Status Check(bool valid, absl::string_view field, const T& value, absl::string_view range) {
  if (valid) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("solver: ", field, " is ", value, ", but must be ", range));
}

bool IsFraction(double value) { return value >= 0 && value < 1; }

absl::Status CheckOptimizer(const SolverConfig& config) {
  if (config.has_adamw()) {
    const configs::AdamWConfig& adamw = config.adamw();
    RCNN_RETURN_IF_ERROR(
        Check(IsFraction(adamw.beta1()), "adamw.beta1", adamw.beta1(), "in [0, 1)"));
    RCNN_RETURN_IF_ERROR(
        Check(IsFraction(adamw.beta2()), "adamw.beta2", adamw.beta2(), "in [0, 1)"));
    return Check(adamw.epsilon() > 0, "adamw.epsilon", adamw.epsilon(), "> 0");
  }
  if (!config.has_sgd()) {
    return absl::InvalidArgumentError("solver: set sgd or adamw");
  }
  return Check(IsFraction(config.sgd().momentum()), "sgd.momentum", config.sgd().momentum(),
               "in [0, 1)");
}

absl::Status CheckMilestones(const configs::MultiStepSchedule& schedule) {
  const auto& milestones = schedule.milestones();
  const bool rising = std::is_sorted(milestones.begin(), milestones.end(),
                                     [](int64_t a, int64_t b) { return a <= b; });
  return Check(rising && !milestones.empty(), "multi_step.milestones",
               absl::StrJoin(milestones, ", "), "ascending iterations");
}

absl::Status CheckSchedule(const SolverConfig& config) {
  switch (config.schedule_case()) {
    case SolverConfig::kStep:
      RCNN_RETURN_IF_ERROR(
          Check(config.step().gamma() > 0, "step.gamma", config.step().gamma(), "> 0"));
      return Check(config.step().size() >= 1, "step.size", config.step().size(), ">= 1");
    case SolverConfig::kMultiStep:
      RCNN_RETURN_IF_ERROR(Check(config.multi_step().gamma() > 0, "multi_step.gamma",
                                 config.multi_step().gamma(), "> 0"));
      return CheckMilestones(config.multi_step());
    case SolverConfig::kCosine: {
      const double left = config.cosine().final_fraction();
      return Check(left >= 0 && left <= 1, "cosine.final_fraction", left, "in [0, 1]");
    }
    case SolverConfig::SCHEDULE_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

absl::Status CheckWarmUp(const configs::WarmUpConfig& warm_up) {
  RCNN_RETURN_IF_ERROR(
      Check(warm_up.iterations() >= 1, "warm_up.iterations", warm_up.iterations(), ">= 1"));
  return Check(warm_up.factor() >= 0 && warm_up.factor() <= 1, "warm_up.factor", warm_up.factor(),
               "in [0, 1]");
}

absl::Status CheckRules(const SolverConfig& config) {
  for (const configs::ParameterRule& rule : config.rules()) {
    RCNN_RETURN_IF_ERROR(Check(rule.learning_rate_multiplier() >= 0,
                               "rules.learning_rate_multiplier", rule.learning_rate_multiplier(),
                               ">= 0"));
    RCNN_RETURN_IF_ERROR(Check(rule.weight_decay_multiplier() >= 0, "rules.weight_decay_multiplier",
                               rule.weight_decay_multiplier(), ">= 0"));
  }
  return absl::OkStatus();
}

double ScheduleFactor(const SolverConfig& config, int64_t iteration) {
  switch (config.schedule_case()) {
    case SolverConfig::kStep:
      return std::pow(config.step().gamma(), static_cast<double>(iteration / config.step().size()));
    case SolverConfig::kMultiStep: {
      const auto& milestones = config.multi_step().milestones();
      const auto passed =
          std::count_if(milestones.begin(), milestones.end(),
                        [iteration](int64_t milestone) { return milestone <= iteration; });
      return std::pow(config.multi_step().gamma(), static_cast<double>(passed));
    }
    case SolverConfig::kCosine: {
      const double left = config.cosine().final_fraction();
      const double progress =
          static_cast<double>(iteration) / static_cast<double>(config.iterations());
      return left + (1 - left) * (1 + std::cos(kPi * progress)) / 2;
    }
    case SolverConfig::SCHEDULE_NOT_SET:
      break;
  }
  return 1;
}

double WarmUpFactor(const SolverConfig& config, int64_t iteration) {
  if (!config.has_warm_up() || iteration >= config.warm_up().iterations()) return 1;
  const double progress =
      static_cast<double>(iteration) / static_cast<double>(config.warm_up().iterations());
  return config.warm_up().factor() + (1 - config.warm_up().factor()) * progress;
}

}  // namespace

absl::Status CheckSolverConfig(const SolverConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckOptimizer(config));
  RCNN_RETURN_IF_ERROR(Check(config.learning_rate() > 0 && std::isfinite(config.learning_rate()),
                             "learning_rate", config.learning_rate(), "> 0 and finite"));
  RCNN_RETURN_IF_ERROR(Check(config.weight_decay() >= 0 && std::isfinite(config.weight_decay()),
                             "weight_decay", config.weight_decay(), ">= 0 and finite"));
  RCNN_RETURN_IF_ERROR(Check(config.iterations() >= 1, "iterations", config.iterations(), ">= 1"));
  RCNN_RETURN_IF_ERROR(Check(config.batches_per_update() >= 1, "batches_per_update",
                             config.batches_per_update(), ">= 1"));
  RCNN_RETURN_IF_ERROR(Check(config.max_gradient_norm() >= 0, "max_gradient_norm",
                             config.max_gradient_norm(), ">= 0"));
  RCNN_RETURN_IF_ERROR(CheckSchedule(config));
  if (config.has_warm_up()) RCNN_RETURN_IF_ERROR(CheckWarmUp(config.warm_up()));
  return CheckRules(config);
}

double LearningRate(const SolverConfig& config, int64_t iteration) {
  return config.learning_rate() * ScheduleFactor(config, iteration) *
         WarmUpFactor(config, iteration);
}

}  // namespace rcnn::training
