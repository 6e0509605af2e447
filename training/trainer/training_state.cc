#include "rcnn/training/trainer/training_state.h"

#include <ATen/core/Tensor.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/weights/import.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/module_state.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::StateDict;

constexpr char kMeans[] = "means";
constexpr char kBestValue[] = "best_value";
constexpr char kBestIteration[] = "best_iteration";
constexpr char kValidationDue[] = "validation_due";
constexpr char kIteration[] = "iteration";

std::vector<TrainedParameter> TrainedParameters(const FasterRcnn& model) {
  std::vector<TrainedParameter> parameters;
  for (auto& [name, value] : detection::TrainableParameters(model)) {
    parameters.push_back({name, value});
  }
  return parameters;
}

// The tensors to average: trained weights and the statistics of their batch norms.
std::vector<TrainedParameter> AveragedTensors(const FasterRcnn& model) {
  std::vector<TrainedParameter> tensors = TrainedParameters(model);
  std::set<std::string> trained;
  for (const TrainedParameter& parameter : tensors) trained.insert(parameter.name);
  for (const auto& item : model.named_buffers()) {
    const size_t statistic = item.key().find(".running_");
    if (!item.value().defined() || statistic == std::string::npos) continue;
    if (trained.count(item.key().substr(0, statistic) + ".weight") > 0) {
      tensors.push_back({item.key(), item.value()});
    }
  }
  return tensors;
}

absl::Status RestoreModel(const StateDict& saved, const FasterRcnn& model) {
  RCNN_ASSIGN_OR_RETURN(const auto* map, detection::weights::FindNameMap("rcnn"));
  detection::weights::ImportOptions options;
  options.exact = true;
  options.source = "checkpoint";
  return detection::weights::ImportStateDict(saved, *map, options,
                                             detection::weights::ModuleState(model))
      .status();
}

}  // namespace

TrainingState::TrainingState(std::shared_ptr<FasterRcnn> model,
                             const configs::TrainingConfig& training)
    : model_(std::move(model)),
      config_(training.solver()),
      scales_loss_(training.precision() == configs::TrainingConfig::FLOAT16),
      parameters_(TrainedParameters(*model_)),
      average_(AveragedTensors(*model_), training.average_decay()) {}

absl::Status TrainingState::MakeSolver() {
  RCNN_ASSIGN_OR_RETURN(Solver solver, Solver::Create(config_, parameters_, {scales_loss_}));
  solver_.emplace(std::move(solver));
  return absl::OkStatus();
}

StateDict TrainingState::Weights() const {
  StateDict state;
  for (const auto& [name, tensor] : model_->StateToSave()) state.Add(name, tensor.clone());
  return state;
}

Checkpoint TrainingState::Save() {
  Checkpoint checkpoint;
  checkpoint.iteration = done;
  checkpoint.model = detection::weights::ModuleState(*model_);
  checkpoint.solver = SolverState();
  checkpoint.facts = MakeFacts();
  return checkpoint;
}

absl::Status TrainingState::Restore(const Checkpoint& checkpoint) {
  RCNN_RETURN_IF_ERROR(RestoreModel(checkpoint.model, *model_));
  RCNN_RETURN_IF_ERROR(RestoreSolver(checkpoint.solver));
  RCNN_RETURN_IF_ERROR(RestoreFacts(checkpoint.facts));
  done = checkpoint.iteration;
  return absl::OkStatus();
}

// Tensors are overwritten in place; ranks have the same ones, as they have built the same network.
absl::Status TrainingState::Share(RankGroup& ranks) {
  std::map<std::string, std::string> facts = MakeFacts();
  facts[kIteration] = absl::StrCat(done);
  RCNN_ASSIGN_OR_RETURN(const std::string shared, ranks.Broadcast(nlohmann::json(facts).dump()));
  const StateDict solver = SolverState();
  for (const StateDict& state : {detection::weights::ModuleState(*model_), solver}) {
    for (const StateDict::Entry& entry : state) {
      RCNN_RETURN_IF_ERROR(ranks.Broadcast(entry.tensor));
    }
  }
  if (ranks.rank() == 0) return absl::OkStatus();
  facts = nlohmann::json::parse(shared).get<std::map<std::string, std::string>>();
  RCNN_RETURN_IF_ERROR(RestoreSolver(solver));
  if (!absl::SimpleAtoi(facts.at(kIteration), &done)) {
    return absl::InternalError("rank 0 has sent no iteration");
  }
  return RestoreFacts(facts);
}

StateDict TrainingState::SolverState() const {
  StateDict state = solver_->State();
  average_.Save(state);
  return state;
}

absl::Status TrainingState::RestoreSolver(const StateDict& state) {
  StateDict solver;
  for (const StateDict::Entry& entry : state) {
    if (entry.name.rfind("average", 0) != 0) solver.Add(entry.name, entry.tensor);
  }
  RCNN_RETURN_IF_ERROR(solver_->Restore(solver));
  return average_.Restore(state);
}

absl::Status TrainingState::RestoreFacts(const std::map<std::string, std::string>& facts) {
  if (facts.count(kMeans) > 0) RCNN_RETURN_IF_ERROR(means_.Restore(facts.at(kMeans)));
  double value = 0;
  if (facts.count(kBestValue) > 0 && facts.count(kBestIteration) > 0 &&
      absl::SimpleAtod(facts.at(kBestValue), &value) &&
      absl::SimpleAtoi(facts.at(kBestIteration), &best_iteration)) {
    best_value = value;
  }
  validation_due = facts.count(kValidationDue) > 0;
  return absl::OkStatus();
}

std::map<std::string, std::string> TrainingState::MakeFacts() {
  std::map<std::string, std::string> facts;
  facts[kMeans] = means_.Text();
  if (best_value.has_value()) {
    facts[kBestValue] = absl::StrFormat("%.17g", *best_value);
    facts[kBestIteration] = absl::StrCat(best_iteration);
  }
  if (validation_due) facts[kValidationDue] = "1";
  return facts;
}

}  // namespace rcnn::training
