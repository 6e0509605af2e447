#include "rcnn/training/trainer/parameter_rules.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {
namespace {

using configs::ParameterRule;
using configs::SolverConfig;

bool HasPrefix(const std::string& name, const std::string& prefix) {
  if (prefix.empty() || name == prefix) return true;
  return absl::StartsWith(name, prefix) && (prefix.back() == '.' || name[prefix.size()] == '.');
}

// Parameters of normalisation layers are those whose weight is one-dimensional.
bool IsNorm(const std::string& name, const std::map<std::string, int64_t>& dimensions) {
  const std::string module = name.substr(0, name.rfind('.') + 1);
  const auto weight = dimensions.find(module + "weight");
  return weight != dimensions.end() && weight->second == 1;
}

bool Fits(const ParameterRule& rule, const std::string& name, bool is_norm) {
  if (!HasPrefix(name, rule.prefix())) return false;
  switch (rule.kind()) {
    case ParameterRule::BIAS:
      return absl::EndsWith(name, ".bias");
    case ParameterRule::NORM:
      return is_norm;
    default:
      return true;
  }
}

absl::Status CheckParameter(const TrainedParameter& parameter) {
  const at::Tensor& value = parameter.value;
  if (value.defined() && value.scalar_type() == at::kFloat && value.is_leaf() &&
      value.requires_grad() && value.is_non_overlapping_and_dense()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("solver: parameter ", parameter.name,
                   " is not a dense float32 leaf that requires a gradient"));
}

// The index of the rule that matches each parameter; -1 if none does.
absl::StatusOr<std::vector<int>> AssignRules(const SolverConfig& config,
                                             const std::vector<TrainedParameter>& parameters) {
  std::map<std::string, int64_t> dimensions;
  for (const TrainedParameter& parameter : parameters) {
    RCNN_RETURN_IF_ERROR(CheckParameter(parameter));
    if (!dimensions.emplace(parameter.name, parameter.value.dim()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("solver: two parameters are called ", parameter.name));
    }
  }
  std::vector<int> assigned;
  std::set<int> used;
  for (const TrainedParameter& parameter : parameters) {
    int rule = -1;
    const bool is_norm = IsNorm(parameter.name, dimensions);
    for (int r = config.rules_size() - 1; r >= 0; --r) {
      if (!Fits(config.rules(r), parameter.name, is_norm)) continue;
      used.insert(r);
      rule = r;
    }
    assigned.push_back(rule);
  }
  for (int r = 0; r < config.rules_size(); ++r) {
    if (used.count(r) == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "solver: no trained parameter matches rule ", r, ", {",
          config.rules(r).ShortDebugString(), "}; check it against the names of the parameters"));
    }
  }
  return assigned;
}

}  // namespace

absl::StatusOr<std::vector<ParameterMultipliers>> FindMultipliers(
    const SolverConfig& config, const std::vector<TrainedParameter>& parameters) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<int> rules, AssignRules(config, parameters));
  std::vector<ParameterMultipliers> multipliers;
  for (const int rule : rules) {
    multipliers.push_back(rule < 0
                              ? ParameterMultipliers()
                              : ParameterMultipliers{config.rules(rule).learning_rate_multiplier(),
                                                     config.rules(rule).weight_decay_multiplier()});
  }
  return multipliers;
}

}  // namespace rcnn::training
