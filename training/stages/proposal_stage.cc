#include "rcnn/training/stages/proposal_stage.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/data/proposals/proposal_journal.h"
#include "rcnn/data/proposals/proposal_writer.h"
#include "rcnn/data/selective_search/selective_search_proposals.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/training/stages/inference.h"
#include "rcnn/training/stages/stage_features.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_model.h"
#include "rcnn/training/trainer/metrics_log.h"

namespace rcnn::training {
namespace {

using configs::StageConfig;
using data::Dataset;

constexpr char kMetricsFile[] = "metrics.jsonl";

using Numbers = std::vector<std::pair<std::string, double>>;

// The recall of the stored boxes.
absl::StatusOr<Numbers> RecallNumbers(const std::string& path, const Dataset& dataset) {
  RCNN_ASSIGN_OR_RETURN(const auto file, data::ProposalFile::Open(path, dataset));
  eval::ProposalRecallOptions options;
  options.counts = {100, 300, 2000};
  RCNN_ASSIGN_OR_RETURN(const eval::ProposalRecall recall,
                        eval::MeasureRecall(dataset, *file, options));
  Numbers numbers = {
      {"proposals_per_image", static_cast<double>(file->total()) /
                                  static_cast<double>(std::max<int64_t>(file->size(), 1))}};
  for (size_t n = 0; n < options.counts.size(); ++n) {
    const auto count = static_cast<int64_t>(n);
    numbers.emplace_back(absl::StrCat("recall50_", options.counts[n]), recall.Recall(0, count, 0));
    numbers.emplace_back(absl::StrCat("ar_", options.counts[n]), recall.AverageRecall(0, count));
  }
  return numbers;
}

std::string ForPeople(const Numbers& numbers) {
  return absl::StrJoin(numbers, "  ", [](std::string* out, const auto& number) {
    absl::StrAppendFormat(out, number.second < 10 ? "%s %.3f" : "%s %.0f", number.first,
                          number.second);
  });
}

// Measures the recall of the stage's proposals, logs it, and adds it to the result.
absl::Status AddRecall(const ExperimentRun& run, const StageConfig& stage, const Dataset& dataset,
                       StageResult& result) {
  const std::string& name = stage.name();
  RCNN_ASSIGN_OR_RETURN(const Numbers numbers,
                        RecallNumbers(StageFilePath(run, name, kProposalsFile), dataset));
  RCNN_RETURN_IF_ERROR(
      LogOnce(run.directories.at(name), run.events_directory, name, dataset.size(), numbers));
  result.outputs.push_back(kMetricsFile);
  result.report = ForPeople(numbers);
  return absl::OkStatus();
}

// Finished images are kept in a journal next to the file until it is complete.
absl::Status WriteProposals(const ExperimentRun& run, const StageConfig& stage,
                            const std::shared_ptr<detection::FasterRcnn>& model,
                            const std::shared_ptr<const Dataset>& dataset, bool mirrored) {
  const configs::GenerateProposalsConfig& config = stage.generate_proposals();
  const std::string path =
      StageFilePath(run, stage.name(), mirrored ? kMirroredProposalsFile : kProposalsFile);
  RCNN_ASSIGN_OR_RETURN(data::ProposalWriter writer,
                        data::ProposalWriter::Create(path, *dataset, stage.name()));
  const auto append = [&](absl::Span<const data::Box> boxes, absl::Span<const float> scores) {
    return writer.Append(boxes, scores);
  };
  RCNN_ASSIGN_OR_RETURN(data::ProposalJournal journal,
                        data::ProposalJournal::Open(absl::StrCat(path, ".partial"),
                                                    run.keys.at(stage.name()), append));
  InferenceOptions options;
  options.transform = run.config.data().transform();
  options.loader = run.config.resources().loader();
  // Mirror images are made after resizing here, but before it in training.
  if (!mirrored) options.features = CachedFeatures(run, *dataset, options.transform, model);
  const int64_t before = mirrored ? dataset->size() : 0;
  options.progress = [&](int64_t done) {
    if (run.progress) run.progress(before + done, "");
  };
  const configs::ProposalsConfig& limits =
      config.has_proposals() ? config.proposals() : run.config.model().rpn().test_proposals();
  RCNN_RETURN_IF_ERROR(ProposeAll(*model, dataset, limits, options, writer.size(), mirrored,
                                  [&](const InferredProposals& found) {
                                    RCNN_RETURN_IF_ERROR(writer.Append(found.boxes, found.scores));
                                    return journal.Append(found.boxes, found.scores);
                                  }));
  RCNN_RETURN_IF_ERROR(writer.Commit().status());
  return journal.Remove();
}

// If the pass over mirrored images was interrupted, the pass over the images themselves is
// done: its file exists, and there is a journal of the other pass with this stage's key.
absl::Status FirstPass(const ExperimentRun& run, const StageConfig& stage,
                       const std::shared_ptr<detection::FasterRcnn>& model,
                       const std::shared_ptr<const Dataset>& dataset) {
  const std::string path = StageFilePath(run, stage.name(), kProposalsFile);
  const std::string next = StageFilePath(run, stage.name(), kMirroredProposalsFile) + ".partial";
  std::error_code ignored;
  const bool done = stage.generate_proposals().on_mirrored_images() &&
                    std::filesystem::exists(next, ignored) &&
                    data::ProposalFile::Open(path, *dataset).ok();
  return done ? absl::OkStatus() : WriteProposals(run, stage, model, dataset, /*mirrored=*/false);
}

}  // namespace

absl::StatusOr<StageResult> RunProposalStage(const ExperimentRun& run, const StageConfig& stage) {
  const configs::GenerateProposalsConfig& config = stage.generate_proposals();
  RCNN_ASSIGN_OR_RETURN(const auto dataset, FindDataset(run, config.dataset()));
  RCNN_ASSIGN_OR_RETURN(const auto weights, StageWeights(run, config.rpn()));
  const configs::StageConfig* source = FindStage(run.config, config.rpn());
  RCNN_ASSIGN_OR_RETURN(const auto model,
                        MakeTrainedModel(StageModelConfig(run.config.model(), *source),
                                         dataset->classes().size(), weights),
                        StageFilePath(run, config.rpn(), kModelFile));
  RCNN_RETURN_IF_ERROR(FirstPass(run, stage, model, dataset));
  StageResult result = {{kProposalsFile}, ""};
  if (config.on_mirrored_images()) {
    RCNN_RETURN_IF_ERROR(WriteProposals(run, stage, model, dataset, /*mirrored=*/true));
    result.outputs.push_back(kMirroredProposalsFile);
  }
  RCNN_RETURN_IF_ERROR(AddRecall(run, stage, *dataset, result));
  return result;
}

absl::StatusOr<StageResult> RunSelectiveSearchStage(const ExperimentRun& run,
                                                    const StageConfig& stage) {
  const configs::SelectiveSearchStageConfig& config = stage.selective_search();
  RCNN_ASSIGN_OR_RETURN(const auto dataset, FindDataset(run, config.dataset()));
  data::SelectiveSearchRun search;
  search.path = StageFilePath(run, stage.name(), kProposalsFile);
  search.quiet = true;
  search.progress = [&](int64_t done) {
    if (run.progress) run.progress(done, "");
  };
  RCNN_RETURN_IF_ERROR(data::WriteSelectiveSearchProposals(*dataset, config.search(), search));
  StageResult result = {{kProposalsFile}, ""};
  RCNN_RETURN_IF_ERROR(AddRecall(run, stage, *dataset, result));
  return result;
}

}  // namespace rcnn::training
