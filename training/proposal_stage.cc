#include "rcnn/training/proposal_stage.h"

#include <cstdio>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/proposal_file.h"
#include "rcnn/data/proposal_journal.h"
#include "rcnn/data/proposal_writer.h"
#include "rcnn/data/selective_search_proposals.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/training/inference.h"
#include "rcnn/training/stage_inputs.h"
#include "rcnn/training/stage_model.h"

namespace rcnn::training {
namespace {

using configs::StageConfig;
using data::Dataset;

// Recall of the stored boxes as a line for people.
absl::StatusOr<std::string> RecallLine(const std::string& path, const Dataset& dataset) {
  RCNN_ASSIGN_OR_RETURN(const auto file, data::ProposalFile::Open(path, dataset));
  eval::ProposalRecallOptions options;
  options.counts = {100, 300, 2000};
  RCNN_ASSIGN_OR_RETURN(const eval::ProposalRecall recall,
                        eval::MeasureRecall(dataset, *file, options));
  std::string line = absl::StrFormat(
      "%.0f proposals per picture; recall at IoU 0.5:",
      static_cast<double>(file->total()) / static_cast<double>(std::max<int64_t>(file->size(), 1)));
  for (size_t n = 0; n < options.counts.size(); ++n) {
    absl::StrAppendFormat(&line, " %.3f @%d", recall.Recall(0, static_cast<int64_t>(n), 0),
                          options.counts[n]);
  }
  absl::StrAppendFormat(&line, "; average recall @300 %.3f", recall.AverageRecall(0, 1));
  return line;
}

// What is done is kept in a journal beside the file until that is whole.
absl::Status WriteProposals(const ExperimentRun& run, const StageConfig& stage,
                            const detection::FasterRcnn& model,
                            const std::shared_ptr<const Dataset>& dataset, bool mirrored) {
  const configs::GenerateProposalsConfig& config = stage.generate_proposals();
  const std::string path =
      PathOf(run, stage.name(), mirrored ? kMirroredProposalsFile : kProposalsFile);
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
  const int64_t before = mirrored ? dataset->size() : 0;
  options.progress = [&](int64_t done) {
    if (run.progress) run.progress(before + done, "");
  };
  const configs::ProposalsConfig& limits =
      config.has_proposals() ? config.proposals() : run.config.model().rpn().test_proposals();
  RCNN_RETURN_IF_ERROR(ProposeAll(model, dataset, limits, options, writer.size(), mirrored,
                                  [&](const PictureProposals& found) {
                                    RCNN_RETURN_IF_ERROR(writer.Append(found.boxes, found.scores));
                                    return journal.Append(found.boxes, found.scores);
                                  }));
  RCNN_RETURN_IF_ERROR(writer.Commit().status());
  return journal.Remove();
}

}  // namespace

absl::StatusOr<StageResult> RunProposalStage(const ExperimentRun& run, const StageConfig& stage) {
  const configs::GenerateProposalsConfig& config = stage.generate_proposals();
  RCNN_ASSIGN_OR_RETURN(const auto dataset, DatasetOf(run, config.dataset()));
  RCNN_ASSIGN_OR_RETURN(const auto weights, WeightsOfStage(run, config.rpn()));
  const configs::StageConfig* source = FindStage(run.config, config.rpn());
  RCNN_ASSIGN_OR_RETURN(const auto model,
                        MakeTrainedModel(StageModelConfig(run.config.model(), *source),
                                         dataset->classes().size(), weights),
                        PathOf(run, config.rpn(), kModelFile));
  RCNN_RETURN_IF_ERROR(WriteProposals(run, stage, *model, dataset, /*mirrored=*/false));
  StageResult result = {{kProposalsFile}, ""};
  if (config.on_mirrored_images()) {
    RCNN_RETURN_IF_ERROR(WriteProposals(run, stage, *model, dataset, /*mirrored=*/true));
    result.outputs.push_back(kMirroredProposalsFile);
  }
  RCNN_ASSIGN_OR_RETURN(result.report,
                        RecallLine(PathOf(run, stage.name(), kProposalsFile), *dataset));
  return result;
}

absl::StatusOr<StageResult> RunSelectiveSearchStage(const ExperimentRun& run,
                                                    const StageConfig& stage) {
  const configs::SelectiveSearchStageConfig& config = stage.selective_search();
  RCNN_ASSIGN_OR_RETURN(const auto dataset, DatasetOf(run, config.dataset()));
  data::SelectiveSearchRun search;
  search.path = PathOf(run, stage.name(), kProposalsFile);
  search.quiet = true;
  search.progress = [&](int64_t done) {
    if (run.progress) run.progress(done, "");
  };
  RCNN_RETURN_IF_ERROR(data::WriteSelectiveSearchProposals(*dataset, config.search(), search));
  StageResult result = {{kProposalsFile}, ""};
  RCNN_ASSIGN_OR_RETURN(result.report, RecallLine(search.path, *dataset));
  return result;
}

}  // namespace rcnn::training
